"""A frozen CLIP, as the rest of the package uses it."""
from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict

import torch
from torch import Tensor, nn

from dept_mm.models.clip.image_tower import ImageTower
from dept_mm.models.clip.spec import CLIPSpec, architecture
from dept_mm.models.clip.text_tower import make_text_tower
from dept_mm.models.clip.tokens import (
    ClassTokens,
    Words,
    tokenize_classes,
    tokenize_sentences,
)
from dept_mm.structures import Prompts


class FrozenCLIP(nn.Module):
    """Hold both towers of an open_clip model, which are never trained.

    Whoever uses it keeps it out of its own module tree (see
    ``PromptedCLIP``), so that its weights are in no optimiser, checkpoint,
    DDP bucket or moving average.

    Args:
        model (nn.Module): An open_clip ``CustomTextCLIP``.
        tokenizer (Callable): Its tokenizer.
        spec (CLIPSpec): Its sizes and preprocessing.
        name (str): What the config calls it; for messages.
        precision (str): Precision of ``model``; see ``build_clip``.
        digest (str, optional): Digest of the weights before they were
            rounded to that precision. Defaults to that of ``model``.
    """

    def __init__(self, model: nn.Module, tokenizer, spec: CLIPSpec,
                 name: str, precision: str = 'fp32',
                 digest: str | None = None) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)
        self.tokenizer = tokenizer
        self.spec = spec
        self.name = name
        self.precision = precision
        self._digest = digest
        self.image_tower = ImageTower(model, spec, name)
        self.text_tower = make_text_tower(model, tokenizer.context_length,
                                          name)
        self.eval()

    def train(self, mode: bool = True) -> FrozenCLIP:
        """Stay in eval mode: batch norms keep their statistics and nothing is
        dropped out, whatever the mode of the classifier around it."""
        return super().train(False)

    def __deepcopy__(self, memo: dict) -> FrozenCLIP:
        # Weights that never change need no copy in an averaged model.
        return self

    @property
    def digest(self) -> str:
        """Sha256 of the weights, which tells which CLIP a checkpoint needs."""
        if self._digest is None:
            self._digest = weights_digest(self.model)
        return self._digest

    @property
    def identity(self) -> dict:
        """What a checkpoint must know about this CLIP, in JSON types."""
        spec = asdict(self.spec)
        return dict(name=self.name, sha256=self.digest, preprocessing=dict(
            spec, mean=list(spec['mean']), std=list(spec['std'])))

    @property
    def architecture(self) -> dict:
        """open_clip's description of its towers."""
        return architecture(dict(name=self.name))

    @property
    def text_weights(self) -> list[Tensor]:
        """What text features depend on."""
        return list(self.model.text.parameters())

    @property
    def learned_dtype(self) -> torch.dtype:
        """The dtype of learned parameters beside this CLIP."""
        return dtype_beside(self.precision)

    @property
    def logit_scale(self) -> Tensor:
        """The exponentiated scale, a scalar in fp32."""
        return self.model.logit_scale.float().exp().squeeze()

    def tokenize(self, names, template: str, num_context: int = 0
                 ) -> ClassTokens:
        """Tokenise ``template`` filled with each name.

        Args:
            names (Sequence[str]): Class names.
            template (str): A sentence with ``{}`` for the name.
            num_context (int): Context tokens that will join each sentence.

        Raises:
            DeptError: If a sentence does not fit the text tower's context.
        """
        tokens = tokenize_classes(Words(self.tokenizer), self.text_tower,
                                  names, template, num_context)
        device = self.model.logit_scale.device
        return tokens.map(lambda t: t.to(device))

    def tokenize_sentences(self, pairs: Sequence[tuple[str, str]]
                           ) -> ClassTokens:
        """Tokenise complete sentences.

        Args:
            pairs (Sequence[tuple[str, str]]): Class name, for messages, and
                sentence.

        Raises:
            DeptError: If a sentence does not fit the text tower's context.
        """
        tokens = tokenize_sentences(Words(self.tokenizer), self.text_tower,
                                    pairs)
        device = self.model.logit_scale.device
        return tokens.map(lambda t: t.to(device))

    def embed_words(self, words: str) -> Tensor:
        """Return the token embeddings ``(n, W)`` of a text, without start and
        end."""
        ids = torch.tensor(Words(self.tokenizer).encode(words),
                           device=self.model.logit_scale.device)
        return self.text_tower.embed(ids).detach()

    def encode_image(self, images: Tensor, prompts: Prompts = Prompts(),
                     states: list | None = None) -> Tensor:
        """Encode ``(B, 3, H, W)`` to un-normalised ``(B, D)``. Hidden states
        that the prompts ask for are appended to ``states``."""
        return self.image_tower(images, prompts, states)

    def encode_patches(self, images: Tensor, prompts: Prompts = Prompts(),
                       states: list | None = None) -> tuple[Tensor, Tensor]:
        """Encode images as ``encode_image`` does, and each of their ``P``
        patches on its own, to un-normalised ``(B, P, D)``."""
        return self.image_tower.with_patches(images, prompts, states)

    def encode_text(self, tokens: ClassTokens, prompts: Prompts = Prompts(),
                    position: str = 'end', states: list | None = None
                    ) -> Tensor:
        """Encode class sentences to un-normalised ``(C, D)`` or ``(B, C, D)``.

        What the prompts read is put into ``states``.
        """
        return self.text_tower(tokens, prompts, position, states)


def dtype_beside(precision: str) -> torch.dtype:
    """Return the dtype of learned parameters beside a CLIP of this precision:
    fp32 master weights, except with ``pure_fp16``."""
    return torch.float16 if precision == 'pure_fp16' else torch.float32


def weights_digest(model: nn.Module, absent: Collection[str] = ()) -> str:
    """Compute the sha256 over names and values of a model's state dict.

    Values count in fp16: a CLIP stored in fp16 and its fp32 copy are the
    same CLIP.

    Args:
        model (nn.Module): The model.
        absent (Collection[str]): Names that do not count, such as those of
            weights that no file holds. Defaults to none.
    """
    found = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        if key in absent:
            continue
        found.update(key.encode())
        value = value.detach().cpu()
        if value.is_floating_point():
            value = value.half()
        found.update(value.contiguous().numpy().tobytes())
    return found.hexdigest()
