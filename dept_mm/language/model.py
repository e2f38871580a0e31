"""Combine a frozen language model with prompts and a head."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.heads import Encoded
from dept_mm.language.loading import build_language_model
from dept_mm.language.prompting import build_prompts
from dept_mm.language.tokens import Tokens
from dept_mm.language.tuning import LanguageTuning, build_tuning, check_budget
from dept_mm.models.prompts import ADePTPrompt, LatePrompt
from dept_mm.models.utils.header import HeaderMixin
from dept_mm.registry import MODELS


@MODELS.register_module()
class PromptedLanguageModel(HeaderMixin, BaseModel):
    """A frozen language model with learned prompts and a head.

    An *input prompt* is put in front of the token embeddings; a *late prompt*
    joins the hidden states after some blocks. Methods to compare prompts with
    tune the model itself. The language model is not a submodule, so
    ``parameters()`` and checkpoints contain only what is learned.

    Args:
        lm (Mapping | FrozenLanguageModel): The language model; see
            ``build_language_model``.
        head (Mapping): Config of a head such as ``MaskedLMHead``.
        prompts (Sequence[Mapping]): Configs of prompts; see
            ``build_prompts``. Defaults to none.
        tuning (Mapping, optional): Config of a method that tunes the model
            itself, such as ``LoRA``. Defaults to none.
        budget (int, optional): Number of learned parameters, without those of
            the head: the size of the one prompt or of ``tuning`` becomes the
            largest that has at most so many. Defaults to the sizes of their
            configs.
        max_length (int): Largest number of tokens of an input, without
            prompts. Defaults to 256.
        backbone_eval (bool): Whether to switch off the dropout of the frozen
            model in training. Defaults to False, as in the public code.
        **kwargs: Arguments of mmengine's ``BaseModel``.

    Raises:
        DeptError: If model, prompts and head do not fit together, or a
            checkpoint belongs to another model, method or task.

    Examples:
        >>> model = dict(
        ...     type='PromptedLanguageModel', lm=dict(name='t5-base'),
        ...     prompts=[dict(type='SoftPrompt', num_tokens=100)],
        ...     head=dict(type='Seq2SeqHead', task='rte'))
    """

    def __init__(self, lm: Mapping | FrozenLanguageModel, head: Mapping,
                 prompts: Sequence[Mapping] = (),
                 tuning: Mapping | None = None, budget: int | None = None,
                 max_length: int = 256, backbone_eval: bool = False, **kwargs
                 ) -> None:
        super().__init__(**kwargs)
        self.lm = build_language_model(lm)
        if tuning is not None:
            self.lm = self.lm.share()  # which it changes
        self.backbone_eval = backbone_eval
        if budget is not None:
            check_budget(prompts, tuning)
        self.input_prompt, self.late_prompts = build_prompts(
            prompts, self.lm, max_length, budget)
        self.head = MODELS.build(
            dict(head, lm=self.lm, max_length=max_length))
        self.tuning: LanguageTuning | None = None
        if tuning is not None:
            self.tuning = build_tuning(tuning, self.lm, self.head.parts,
                                       budget)
        self._check_parts()
        self.init_header()

    def forward(self, inputs: Mapping[str, Sequence[str]],
                data_samples: list | None = None, mode: str = 'tensor'
                ) -> Any:
        """Run the model in one of three modes, as mmengine expects.

        Args:
            inputs (Mapping): The texts of ``B`` samples by name.
            data_samples (list[DataSample], optional): Their labels.
            mode (str): 'loss' returns the losses, 'predict' the samples with
                predictions, and 'tensor' the output of the head.
                Defaults to 'tensor'.
        """
        texts = [dict(zip(inputs, row, strict=True))
                 for row in zip(*inputs.values(), strict=True)]
        if mode == 'loss':
            return self.head.loss(self.encode, texts, data_samples)
        if mode == 'predict':
            return self.head.predict(self.encode, texts, data_samples)
        if mode != 'tensor':
            raise ValueError(f'mode {mode!r} is not loss, predict or tensor')
        return self.head(self.encode, texts)

    def encode(self, tokens: Tokens, read: Tensor | None = None) -> Encoded:
        """Run the model with all prompts.

        Args:
            tokens (Tokens): ``B`` inputs, padded on either side.
            read (Tensor, optional): ``(B, S)`` bool, the tokens from which
                late prompts may be generated, for inputs that are padded on
                the right. Defaults to all tokens.
        """
        tokens = tokens.compact()
        read = tokens.mask if read is None else read & tokens.mask
        size = tokens.ids.shape[1]
        embeds, mask = self._embed(tokens)
        late = {p.layer: partial(self._generate_rows, p, read)
                for p in self.late_prompts}
        # Nothing is learned below the first late prompt.
        frozen = min(late, default=len(self.lm.tower.blocks))
        if self.input_prompt is not None or self.tuning is not None:
            frozen = 0
        deep = None if self.tuning is None else self.tuning.deep_tokens
        hidden, mask = self.lm.tower(embeds, mask, late, frozen, deep)
        return Encoded(hidden, mask, hidden.shape[1] - size)

    def _embed(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Return embeddings ``(B, m + S, W)`` with the input prompt of ``m``
        tokens, and their mask."""
        table, prompt = self.lm.tower.words.weight, self.input_prompt
        if prompt is None:
            return F.embedding(tokens.ids, table), tokens.mask
        if (isinstance(prompt, ADePTPrompt) and not self.training
                and not torch.is_grad_enabled()):
            embeds = F.embedding(tokens.ids, prompt.merge(table))
        else:
            embeds = F.embedding(tokens.ids, table)
            if self.training and getattr(
                    prompt, 'rows_seen', None) is not None:
                longest = tokens.mask.sum(1).max()
                all_reduce(longest, 'max')  # processes must agree
                prompt.note_length(longest)
            place = tokens.mask.cumsum(1) - 1
            offset = prompt.offset(embeds, place)
            if offset is not None:
                embeds = (embeds + offset).to(embeds.dtype)
        rows = prompt.tokens().to(embeds.dtype)
        rows = rows.expand(len(embeds), -1, -1)
        return (torch.cat([rows, embeds], 1),
                torch.cat([tokens.mask.new_ones(rows.shape[:2]),
                           tokens.mask], 1))

    def _generate_rows(self, prompt: LatePrompt, read: Tensor, hidden: Tensor
                       ) -> Tensor:
        """Generate the tokens of a late prompt from hidden states
        ``(B, T, W)``."""
        shift = hidden.shape[1] - read.shape[1]
        anchor = torch.full((len(read), ), shift, device=read.device)
        if (prompt.anchor or self.lm.tower.anchor) == 'last':
            anchor = anchor + read.sum(1) - 1
        return prompt.generate(hidden, F.pad(read, (shift, 0)), anchor)

    def merge(self) -> nn.Module:
        """Return a model of transformers that is tuned by itself.

        What ``tuning`` has learned is folded into the weights of a copy of
        the language model, which has the layers of the original and costs
        nothing more. The head of this model is not part of it.

        Raises:
            DeptError: If there is no ``tuning``, or there is something that
                cannot be folded, such as prompts.
        """
        if self.tuning is None or self.input_prompt is not None or len(
                self.late_prompts):
            raise DeptError('Only what is tuned inside a language model can '
                            'be merged: this one has prompts or no tuning.')
        model = deepcopy(self.lm.model)
        self.tuning.fold(model)
        return model.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> PromptedLanguageModel:
        """Switch the mode, also that of the frozen model."""
        self.lm.model.train(mode and not self.backbone_eval)
        return super().train(mode)

    def _apply(self, fn: Callable, recurse: bool = True) -> nn.Module:
        # The language model is not a submodule, but must change device too.
        self.lm.apply(fn)
        return super()._apply(fn, recurse)

    def _check_parts(self) -> None:
        """Refuse parts that exclude each other; warn where one undoes what
        another is for."""
        if not len(self.late_prompts):
            return
        if self.tuning is not None and self.tuning.deep_tokens is not None:
            raise DeptError('DeepPrompts replace what stands in front of each '
                            'block: leave out the LatePrompt.')
        if self.input_prompt is not None or self.tuning is not None:
            print_log('Gradients of the input prompt or of what is tuned '
                      'pass through all blocks: the late prompt saves '
                      'neither time nor memory.', 'current', 30)

    def header(self) -> dict:
        """Describe the language model, what is learned, and the task."""
        prompts = [p for p in (self.input_prompt, *self.late_prompts) if p]
        sized = [p for p in (*prompts, self.tuning)
                 if getattr(p, 'size', None)]
        return dict(
            lm=dict(name=self.lm.name, sha256=self.lm.digest),
            prompts=[dict(type=type(p).__name__, **p.settings)
                     for p in prompts],
            tuning=self.tuning and dict(type=type(self.tuning).__name__,
                                        **self.tuning.settings),
            head=dict(type=type(self.head).__name__, **self.head.settings),
            classes=list(self.head.task.classes), task=self.head.question,
            sizes=[{p.size: getattr(p, p.size)} for p in sized])

    def check_header(self, found: dict, state: dict, prefix: str) -> None:
        """Refuse a checkpoint of another model, method or task."""
        own = self.header()
        for key in ('prompts', 'tuning', 'head', 'classes'):
            if found.get(key) != own[key]:
                raise DeptError(f'The checkpoint has {key} {found.get(key)}, '
                                f'but this model has {own[key]}.')
        # Older checkpoints do not say how the model is asked.
        if found.get('task', own['task']) != own['task']:
            raise DeptError(f'The checkpoint was trained on {found["task"]}, '
                            f'but this model asks {own["task"]}: give '
                            'head.task the template and words of the former.')
        if found['lm']['sha256'] != own['lm']['sha256']:
            raise DeptError(
                f'The checkpoint was trained on {found["lm"]}, but this '
                f'model has {own["lm"]}: prompts of one language model mean '
                'nothing to another. Set lm.name to the first.')
