"""The backbone: a frozen CLIP with a prompt learner."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.class_texts.frozen import FrozenText
from dept_mm.models.class_texts.split import in_chunks, over_processes
from dept_mm.models.class_texts.teacher import Teacher
from dept_mm.models.clip import ClassTokens, FrozenCLIP, build_clip
from dept_mm.models.prompts import TextInput, TokenStates
from dept_mm.models.utils.header import HeaderMixin
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Prompts, Vocabulary


@MODELS.register_module()
class PromptedCLIP(HeaderMixin, BaseModule):
    """Both towers of a frozen CLIP, with prompts that are learned.

    In training it encodes the base classes of its vocabulary, in evaluation
    all of them. The CLIP is held outside the module tree: only what is
    learned is in ``parameters()`` and in checkpoints.

    Args:
        clip (Mapping | FrozenCLIP): Which CLIP; see ``build_clip``.
        vocabulary (Mapping | Sequence[str] | Vocabulary, optional): The
            classes, usually the config of the data set; see
            ``Vocabulary.resolve``. None runs the image tower alone, e.g. for
            a linear probe.
        prompt (Mapping, optional): The prompt learner. None is zero-shot
            CLIP with hand-written templates.
        templates (str | Sequence[str], optional): Templates of the zero-shot
            classifier; several make an ensemble, the normalised mean of
            normalised features. None, or None among several, is the
            vocabulary's. Defaults to None.
        teacher (Mapping, optional): Options of a ``Teacher``: features of
            the CLIP without prompts, which loss terms compare with in
            training. Defaults to none.
        class_chunk (int, optional): Encode at most so many classes at once
            and recompute them in the backward pass, where memory is short.
            Defaults to all.

    Attributes:
        share_classes (bool): Whether all processes take part in each training
            step, so that each may encode a share of the classes; see
            ``ShareClassesHook``.

    Raises:
        DeptError: If CLIP, vocabulary and learner do not fit together.
    """
    share_classes = False

    def __init__(self, clip: Mapping | FrozenCLIP,
                 vocabulary: Mapping | Sequence[str] | Vocabulary = None,
                 prompt: Mapping | None = None,
                 templates: str | Sequence[str] | None = None,
                 teacher: Mapping | None = None,
                 class_chunk: int | None = None) -> None:
        super().__init__()
        # nn.Module would register it; see the class's docstring.
        object.__setattr__(self, 'clip', build_clip(clip))
        if prompt is not None and vocabulary is None:
            raise DeptError('PromptedCLIP: a prompt learner needs a '
                            'vocabulary, e.g. vocabulary=_base_.dataset.')
        if isinstance(templates, str):
            templates = (templates, )
        self.templates = templates
        self.class_chunk = class_chunk
        self.vocabulary = None
        self.prompt = None
        self.teacher = None if teacher is None else Teacher(**teacher)
        self._tokens, self._subsets, self._kept = {}, {}, {}
        self._frozen_text = FrozenText()
        if vocabulary is not None:
            vocabulary = Vocabulary.resolve(vocabulary)
        if prompt is not None:
            self.prompt = MODELS.build(
                dict(prompt, clip=self.clip, vocabulary=vocabulary))
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)
        self.init_header()

    def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Score these classes from now on.

        Args:
            vocabulary (Vocabulary): Labels of samples index it.

        Raises:
            DeptError: If a class name is too long for the text tower.
        """
        self.vocabulary = vocabulary
        self._tokens = {template: self._tokenize(template)
                        for template in self._sentences(vocabulary)}
        self._subsets, self._kept = {}, {}

    def forward(self, images: Tensor) -> CLIPFeatures:
        """Encode images and the classes they are scored among.

        Args:
            images (Tensor): ``(B, 3, H, W)``, normalised, or stored
                features of the image tower ``(B, D)``.
        """
        states = TokenStates([], [])
        image = self._image(images, states.image)
        text = labels = ids = teacher = None
        if self.vocabulary is not None:
            ids = self.vocabulary.ids
            labels = torch.tensor(self._labels(), device=image.device)
            text = self.text_features(image, states.text)
            if self.teacher is not None and self.training:
                teacher = self.teacher(self.clip, self.vocabulary, images)
        feats = CLIPFeatures(text, labels, ids, self.clip.logit_scale,
                             teacher, None, None, image)
        if self.prompt is None:
            return feats
        return self.prompt.change_features(feats, states, self.clip)

    def zero_shot(self) -> PromptedCLIP:
        """The same CLIP and vocabulary without prompts."""
        return PromptedCLIP(self.clip, self.vocabulary)

    def train(self, mode: bool = True) -> PromptedCLIP:
        """Switch the mode; the kept text classifier is dropped, since what
        it was computed from may change."""
        self._kept = {}
        return super().train(mode)

    def _apply(self, fn: Callable, recurse: bool = True) -> PromptedCLIP:
        # The CLIP is no submodule, but follows to the device.
        self.clip._apply(fn, recurse)
        self._tokens = {template: tokens.map(fn)
                        for template, tokens in self._tokens.items()}
        self._subsets, self._kept = {}, {}
        return super()._apply(fn, recurse)

    def _sentences(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """The templates in use, learned context left out."""
        if self.prompt is None:
            own = vocabulary.templates
            return tuple(t or own[0] for t in self.templates or own)
        return (self.prompt.sentence(vocabulary.templates[0]), )

    def _tokenize(self, template: str) -> ClassTokens:
        extra = self.prompt.num_context if self.prompt else 0
        return self.clip.tokenize(self.vocabulary.names, template, extra)

    def _labels(self) -> list[int]:
        """Labels of the classes that are encoded in the current mode."""
        if self.training:
            return self.vocabulary.base_labels
        return list(range(len(self.vocabulary)))

    def _image(self, images: Tensor, states: list[Tensor]) -> Tensor:
        """Image features ``(B, D)``; stored ones are kept."""
        visual = self.prompt.for_image() if self.prompt else Prompts()
        if images.ndim != 2:
            return self.clip.encode_image(images, visual, states)
        if not visual.empty:
            raise DeptError(f'{type(self.prompt).__name__} prompts or reads '
                            'the image tower: give it images, no stored '
                            'features.')
        return images

    def text_features(self, image: Tensor,
                      states: list[Tensor] | None = None) -> Tensor:
        """Encode the classes that are scored.

        Args:
            image (Tensor): ``(B, D)`` image features.
            states (list[Tensor], optional): Hidden states that the learner
                reads are put into it.

        Returns:
            Tensor: ``(C, D)`` or ``(B, C, D)``.
        """
        text, size = self._wide_text(image), self.clip.spec.embed_dim
        if text.shape[-1] > size and states is not None:
            states += text[..., size:].split(self.clip.text_tower.width, -1)
        return text[..., :size] if text.shape[-1] > size else text

    def _wide_text(self, image: Tensor) -> Tensor:
        """Text features and behind them, in one tensor, the hidden states
        that the learner reads: parts of a class list, other processes and
        what is kept have both or none. Kept between batches where nothing
        can change them."""
        rows = tuple(self._labels())

        def encode(rows: tuple[int, ...]) -> Tensor:
            return in_chunks(partial(self._encode, image), rows,
                             self.class_chunk)

        if self.prompt is not None and self.prompt.per_image:
            return encode(rows)
        mode = self.training, torch.is_autocast_enabled(image.device.type)
        grad = torch.is_grad_enabled()
        state = 'frozen' if grad else [
            (p.data_ptr(), p._version) for p in self.parameters()]
        known, text = self._kept.get(mode, (None, None))
        if known in ('frozen', state):
            return text
        # Not in evaluation: processes may differ in the batches they have.
        share = self.share_classes and grad and self.training
        text = over_processes(encode, rows) if share else encode(rows)
        if not text.requires_grad:
            # With gradients wanted and none there, nothing learned is in it.
            self._kept[mode] = state, text
        return text

    def _encode(self, image: Tensor, rows: tuple[int, ...]) -> Tensor:
        """Text features of the classes with these labels."""
        if self.prompt is not None:
            tokens, prompts = self.text_prompts(image, rows)
            states = []
            text = self.clip.encode_text(tokens, prompts,
                                         self.prompt.position, states)
            lead = text.shape[:-1]
            return text if not states else torch.cat(
                [text, *(t.expand(*lead, -1) for t in states)], dim=-1)
        texts = [self.clip.encode_text(tokens) for tokens in self._rows(rows)]
        if len(texts) == 1:
            return texts[0]
        return sum(F.normalize(text, dim=-1) for text in texts) / len(texts)

    def text_prompts(self, image: Tensor, rows: tuple[int, ...]
                     ) -> tuple[ClassTokens, Prompts]:
        """What the learner joins to the sentences of some classes.

        Args:
            image (Tensor): ``(B, D)``.
            rows (tuple[int]): Labels of ``C`` classes.

        Returns:
            tuple[ClassTokens, Prompts]: The sentences, and what joins them.
        """
        tokens, frozen = self._rows(rows)[0], None
        ids = tuple(self.vocabulary.ids[i] for i in rows)
        if self.prompt.needs_frozen_text:
            frozen = self._frozen_text(self.clip, self.vocabulary, rows)
        return tokens, self.prompt.for_text(
            TextInput(ids, tokens, image, frozen))

    def _rows(self, rows: tuple[int, ...]) -> list[ClassTokens]:
        """Sentences of these classes, one list for each template."""
        if rows not in self._subsets:
            self._subsets[rows] = [tokens.map(lambda t: t[list(rows)])
                                   for tokens in self._tokens.values()]
        return self._subsets[rows]

    def header(self) -> dict:
        """The classes, and which CLIP the prompts were learned on."""
        return dict(
            vocabulary=self.vocabulary and self.vocabulary.to_dict(),
            clip=self.clip.identity,
            prompt=type(self.prompt).__name__,
            settings=self.prompt.settings if self.prompt else {})

    def check_header(self, found: dict, state: dict, prefix: str) -> None:
        """Refuse a checkpoint of another learner or another CLIP."""
        own = self.header()
        for key in ('prompt', 'settings'):
            if found[key] != own[key]:
                raise DeptError(
                    f'The checkpoint holds a {found["prompt"]} with '
                    f'{found["settings"]}, the model has a {own["prompt"]} '
                    f'with {own["settings"]}. Build it from the config, and '
                    'for the data set, that the checkpoint was made with.')
        if dict(found['clip'], name='') != dict(own['clip'], name=''):
            raise DeptError(
                f'The checkpoint was trained on CLIP {found["clip"]}, the '
                f'model has {own["clip"]}: prompts of one CLIP mean nothing '
                'to another. Set clip.name and clip.pretrained to the first.')
