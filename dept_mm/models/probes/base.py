"""What all probes share: fitting, and which classes they answer for."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.clip import clip_spec
from dept_mm.models.utils.class_rows import ClassRowsMixin
from dept_mm.structures import CLIPFeatures, Vocabulary


class Shots(NamedTuple):
    """What a probe of ``K`` classes is fitted on.

    Attributes:
        images (Tensor): Normalised image features ``(N, D)``.
        labels (Tensor): Row of the class of each image, ``(N, )``.
        texts (Tensor): Un-normalised text features ``(K, D)``.
        scale (float): CLIP's logit scale.
        validation (tuple, optional): Normalised features and rows of
            validation images, on which hyper-parameters are searched.
    """
    images: Tensor
    labels: Tensor
    texts: Tensor
    scale: float
    validation: tuple[Tensor, Tensor] | None

    def accuracy(self, logits: Tensor) -> float:
        """Share of validation images that logits ``(N, K)`` classify
        correctly."""
        return (logits.argmax(1) == self.validation[1]).double().mean().item()


class BaseProbe(ClassRowsMixin, BaseModule):
    """Base class of classifiers that are fitted on features in seconds.

    A probe is a neck: it passes the features on with a bonus that turns
    CLIP's similarities into its own logits, so ``CLIPHead`` gives the probe's
    logits and ``DePTHead`` adds DePT to it. ``ProbeHook`` fits it when
    training starts, and the checkpoint contains what was fitted.

    A probe answers for the ``K`` base classes of its vocabulary. CLIP's
    similarities answer for all other classes, unless the probe says
    otherwise. Where classes of both kinds stand in one vocabulary, one number
    per image is added to the probe's logits, which gives its classes the same
    total probability as the similarities do.

    A subclass implements :meth:`solve` and :meth:`score`, and names the
    buffers that have one row per class in ``row_keys``.

    Args:
        clip (Mapping): Config of the CLIP, which determines the width ``D``
            of the features.
        vocabulary (Mapping | Sequence[str] | Vocabulary): Vocabulary whose
            base classes get a row each; see ``Vocabulary.resolve``.

    Raises:
        DeptError: If the probe is fitted on other classes, used before it is
            fitted, or if each image has class texts of its own.
    """

    def __init__(self, clip: Mapping,
                 vocabulary: Mapping | Sequence[str] | Vocabulary) -> None:
        super().__init__()
        self.class_ids = Vocabulary.resolve(vocabulary).base
        self.width = clip_spec(clip).embed_dim

    @property
    def is_fitted(self) -> bool:
        """Whether the probe holds more than zeros."""
        return bool(getattr(self, self.row_keys[0]).any())

    @torch.no_grad()
    def fit(self, images: Tensor, labels: Tensor, texts: Tensor,
            validation: tuple[Tensor, Tensor] | None = None,
            scale: float = 100.) -> None:
        """Fit the probe; numbers in double precision are kept as they are.

        Args:
            images (Tensor): Image features ``(N, D)``, normalised here.
            labels (Tensor): Row of the class of each image, ``(N, )``.
            texts (Tensor): Un-normalised text features ``(K, D)``.
            validation (tuple, optional): Features and rows of validation
                images, for the search of hyper-parameters. Without it, those
                of the config are used. Defaults to None.
            scale (float): CLIP's logit scale. Defaults to 100.

        Raises:
            DeptError: If a class has no image, or a label has no row.
        """
        name, size = type(self).__name__, len(self.class_ids)
        if len(labels) and not 0 <= int(labels.min()) <= int(
                labels.max()) < size:
            raise DeptError(f'{name}: labels must be rows of its {size} '
                            'classes.')
        count = torch.bincount(labels, minlength=size)
        if not bool(count.all()):
            lacking = self.class_ids[int(count.argmin())]
            raise DeptError(f'{name} cannot be fitted: class {lacking!r} has '
                            'no training image.')
        if validation is not None:
            validation = _normalize(validation[0]), validation[1]
        self.solve(Shots(_normalize(images), labels, _in_full(texts),
                         float(scale), validation))

    def solve(self, shots: Shots) -> None:
        """Fill the buffers."""
        raise NotImplementedError

    def score(self, image: Tensor, text: Tensor, rows: list[int],
              scale: Tensor) -> Tensor:
        """Compute what is added to CLIP's logits of classes with a row.

        Args:
            image (Tensor): Normalised features ``(B, D)``.
            text (Tensor): Normalised class texts ``(R, D)``.
            rows (list[int]): Row of each of these ``R`` classes.
            scale (Tensor): CLIP's logit scale.

        Returns:
            Tensor: ``(B, R)``.
        """
        raise NotImplementedError

    def score_new(self, image: Tensor, text: Tensor) -> Tensor | None:
        """Compute the bonus ``(B, R)`` of classes without a row, from their
        normalised texts ``(R, D)``; None leaves them to CLIP."""
        return None

    def forward(self, feats: CLIPFeatures) -> CLIPFeatures:
        """Add the ``bonus (B, C)`` to the features."""
        self._check(feats)
        columns, rows = self.match(feats)
        new = sorted(set(range(len(feats.labels))) - set(columns))
        with torch.autocast(feats.image.device.type, enabled=False):
            image, text = _normalize(feats.image), _normalize(feats.text)
            known = self.score(image, text[columns], rows, feats.logit_scale)
            if not new:
                return feats._replace(bonus=known)
            unknown = self.score_new(image, text[new])
            if unknown is None:
                unknown = 0.
                s = feats.logit_scale * image @ text[columns].T
                known = known + (s.logsumexp(1) - (s + known).logsumexp(1)
                                 )[:, None] if rows else known
            bonus = image.new_zeros(len(image), len(text))
            bonus[:, columns], bonus[:, new] = known, unknown
        return feats._replace(bonus=bonus)

    def _check(self, feats: CLIPFeatures) -> None:
        name = type(self).__name__
        if not self.is_fitted:
            raise DeptError(
                f'{name} has not been fitted. Run tools/train.py with '
                "dict(type='ProbeHook') among custom_hooks, even if nothing "
                'is trained, or load a checkpoint of such a run.')
        if feats.text is None or feats.per_image:
            raise DeptError(f'{name} needs one text per class: give '
                            'PromptedCLIP a vocabulary, and no prompts that '
                            'depend on the image.')


def _in_full(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _normalize(x: Tensor) -> Tensor:
    return F.normalize(_in_full(x), dim=-1)
