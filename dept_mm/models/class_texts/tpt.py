"""Prompts that are tuned on one test image, without its label."""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts import BasePrompt
from dept_mm.models.utils.kept import keeping_nothing
from dept_mm.models.utils.similarity import similarity
from dept_mm.structures import AugmentedViews

# Gradients in half precision would vanish; a power of two changes no digit.
LOSS_SCALE = 1024


class TPT:
    r"""Tune text prompts on augmented views of one image, and start again.

    "Test-Time Prompt Tuning for Zero-Shot Generalization in Vision-Language
    Models" (TPT, Shu et al., NeurIPS 2022). The image and its views are
    ranked by entropy, and those with the lowest are kept. A step of AdamW
    lowers the entropy of their mean distribution (equation 4); the image
    itself is scored with the texts that result. "C-TPT: Calibrated Test-Time
    Prompt Tuning" (Yoon et al., ICLR 2024) subtracts a multiple of the
    dispersion of the texts, their mean distance from their mean (equations 4
    and 5), from the loss.

    Each image starts from the same prompts with a fresh optimizer, so that
    its prediction depends neither on other images nor on their order. The
    first texts and their graph serve all images of a batch, which changes no
    number. A plain class: it has nothing to save.

    Args:
        lr (float): Learning rate. Defaults to 5e-3, as in both codes.
        steps (int): Number of steps; later ones keep the views of the first.
            Defaults to 1.
        confident (float): Which share of the views is kept, at least one
            view. Defaults to 0.1.
        dispersion (float): Weight of the dispersion. Defaults to 0, TPT;
            C-TPT has 50.

    Raises:
        DeptError: If an option is out of range.
    """

    def __init__(self, lr: float = 5e-3, steps: int = 1,
                 confident: float = .1, dispersion: float = 0.) -> None:
        if steps < 1 or not 0 < confident <= 1:
            raise DeptError('TPT takes steps of at least 1 and confident '
                            f'in (0, 1], not {steps} and {confident}.')
        self.lr, self.steps = lr, steps
        self.confident, self.dispersion = confident, dispersion

    def check(self, prompt: BasePrompt | None) -> TPT:
        """Refuse a learner whose prompts cannot be tuned through the texts.

        Returns:
            TPT: Itself.

        Raises:
            DeptError: If there is none, or its prompts depend on the image
                or change image features.
        """
        name = type(prompt).__name__
        if prompt is None:
            raise DeptError("PromptedCLIP(tpt=...) tunes a prompt: give e.g. "
                            "prompt=dict(type='CoOpPrompt', "
                            "words='a photo of a').")
        if (prompt.per_image or not prompt.for_image().empty
                or type(prompt).change_features
                is not BasePrompt.change_features):
            raise DeptError(f'PromptedCLIP(tpt=...) tunes texts alone, but '
                            f'{name} looks at images or changes their '
                            'features. Choose a learner of the text tower, '
                            'such as CoOpPrompt.')
        if any(p.dtype != torch.float32 for p in prompt.parameters()):
            raise DeptError('PromptedCLIP(tpt=...) takes steps that fp16 '
                            'cannot hold: leave clip.precision='
                            "'pure_fp16' out.")
        return self

    def __call__(self, clip: FrozenCLIP, prompt: BasePrompt,
                 encode: Callable[[], Tensor], image: Tensor,
                 given: AugmentedViews) -> Tensor:
        """Tune on each image of a batch, and leave the prompts as they were.

        Args:
            clip (FrozenCLIP): Encodes the views.
            prompt (BasePrompt): What is tuned.
            encode (Callable): Computes texts ``(C, D)`` with it.
            image (Tensor): Features ``(B, D)`` of the images.
            given (AugmentedViews): The images and their views.

        Returns:
            Tensor: Texts ``(B, C, D)``, those of each image.

        Raises:
            DeptError: If there are no views.
        """
        if not isinstance(given, AugmentedViews):
            raise DeptError('PromptedCLIP(tpt=...) needs views of each test '
                            "image: put dict(type='AugmentViews') into the "
                            "pipeline, and dict(type='PackViews') at its end.")
        with torch.no_grad():
            views = clip.encode_image(given.augmented.flatten(0, 1))
        views = views.unflatten(0, (len(image), -1))
        return self.tune(prompt, encode, torch.cat([image[:, None], views], 1),
                         clip.logit_scale)

    def tune(self, prompt: BasePrompt, encode: Callable[[], Tensor],
             views: Tensor, scale: Tensor) -> Tensor:
        """Do so with the features of the views ``(B, N, D)``, the first of
        which is the image, and CLIP's scale."""
        learned = [p for p in prompt.parameters() if p.requires_grad]
        start = [p.detach().clone() for p in learned]
        # A caller in inference mode has made tensors that no graph takes.
        with torch.inference_mode(False), torch.enable_grad(), \
                keeping_nothing():
            views, scale = views.clone(), scale.clone()
            text = encode()
            picks = [self._pick(text.detach(), image, scale)
                     for image in views]
            first = [self._gradient(text, image, scale, learned)
                     for image in picks]
            try:
                return torch.stack([
                    self._tune(learned, start, gradient, encode, image, scale)
                    for gradient, image in zip(first, picks, strict=True)])
            finally:
                _write(learned, start)

    def _pick(self, text: Tensor, views: Tensor, scale: Tensor) -> Tensor:
        """Return the views ``(K, D)`` with the lowest entropy."""
        logits = similarity(views, text, scale)
        entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1)
        count = max(1, int(len(views) * self.confident))
        return views[entropy.argsort()[:count]]

    def loss(self, text: Tensor, views: Tensor, scale: Tensor) -> Tensor:
        """Compute the entropy of the views' mean distribution, less the
        weighted dispersion of ``text (C, D)``."""
        logits = similarity(views, text, scale).log_softmax(1)
        mean = logits.logsumexp(0) - math.log(len(logits))
        mean = mean.clamp(min=torch.finfo(mean.dtype).min)  # of log 0
        loss = -(mean * mean.exp()).sum()
        if not self.dispersion:
            return loss
        text = F.normalize(text.float(), dim=-1)
        return loss - self.dispersion * (text - text.mean(0)).norm(
            dim=-1).mean()

    def _gradient(self, text: Tensor, views: Tensor, scale: Tensor,
                  learned: list[Tensor]) -> list[Tensor | None]:
        loss = LOSS_SCALE * self.loss(text, views, scale)
        return [g if g is None else g / LOSS_SCALE
                for g in torch.autograd.grad(loss, learned, retain_graph=True,
                                             allow_unused=True)]

    def _tune(self, learned: list[Tensor], start: list[Tensor],
              gradient: list[Tensor | None], encode: Callable[[], Tensor],
              views: Tensor, scale: Tensor) -> Tensor:
        """Take the steps of one image, and return its texts ``(C, D)``."""
        _write(learned, start)
        optimizer = torch.optim.AdamW(learned, self.lr)
        for step in range(self.steps):
            if step:
                gradient = self._gradient(encode(), views, scale, learned)
            for p, g in zip(learned, gradient, strict=True):
                p.grad = g
            optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            return encode()


@torch.no_grad()
def _write(learned: list[Tensor], values: list[Tensor]) -> None:
    for p, value in zip(learned, values, strict=True):
        p.copy_(value)
