"""Gaussian discriminant analysis beside CLIP's zero-shot classifier."""
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.probes.base import Shots
from dept_mm.models.probes.classifier import ClassifierProbe
from dept_mm.models.utils.kept import Kept
from dept_mm.registry import MODELS

# Copies of the class text that count among the neighbours of a new class.
TEXT_COPIES = 16


@MODELS.register_module()
class GDAProbe(ClassifierProbe):
    r"""Fit one Gaussian per class with a common covariance, in closed form.

    "A Hard-to-Beat Baseline for Training-free CLIP-Based Adaptation" (Wang et
    al., ICLR 2024): with class means :math:`\mu_c` of normalised features,
    the precision :math:`P` and normalised texts :math:`t_c`, the logits are

    .. math::
        s \langle f, t_c \rangle + \alpha (\mu_c^T P f
        - \tfrac12 \mu_c^T P \mu_c - \log K), \quad
        P = D ((N - 1) \Sigma + \text{tr}(\Sigma) I)^{-1}

    :math:`\alpha` is searched on validation images. Several views of an image
    count as several images.

    A class without images gets a Gaussian from the ``num_neighbors`` training
    images that are nearest to its text, together with 16 copies of the text;
    the precision is the mean over these classes.

    The code of the paper uses the formula above for all classes; its script
    for base-to-new inverts the mean of the covariances of the classes
    instead, which ``estimator='plain'`` does.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
        num_shots (int): Room for so many images per class, which are kept
            for classes without images; 0 leaves those to CLIP. Defaults to
            16.
        num_neighbors (int): Training images that stand for a class without
            images. Defaults to 64.
        estimator (str): ``'shrunk'`` or ``'plain'``. Defaults to
            ``'shrunk'``.
        alpha (float): :math:`\alpha` without validation images. Defaults to
            1.0.
        alphas (Sequence[float]): Values to search; the first of the best is
            taken. Defaults to powers of ten from 1e-4 to 100.

    Raises:
        DeptError: If there are more images of a class than room.

    Examples:
        >>> neck = dict(type='GDAProbe', clip=_base_.clip,
        ...             vocabulary=_base_.vocabulary)
    """
    row_keys = ('weight', 'bias', 'images', 'count')

    def __init__(self, clip, vocabulary, num_shots: int = 16,
                 num_neighbors: int = 64, estimator: str = 'shrunk',
                 alpha: float = 1.,
                 alphas: Sequence[float] = (1e-4, 1e-3, .01, .1, 1, 10, 100)
                 ) -> None:
        super().__init__(clip, vocabulary)
        if estimator not in ('shrunk', 'plain'):
            raise DeptError(f"GDAProbe: estimator={estimator!r} is neither "
                            "'shrunk' nor 'plain'.")
        self.num_neighbors = num_neighbors
        self.estimator = estimator
        self.alphas = alphas
        size = len(self.class_ids)
        self.register_buffer('alpha', torch.tensor(float(alpha)))
        self.register_buffer('images', torch.zeros(size, num_shots,
                                                   self.width))
        self.register_buffer('count', torch.zeros(size).long())
        self._kept = Kept()

    def solve(self, shots: Shots) -> None:
        """Estimate the Gaussians and search alpha."""
        self._keep(shots)
        images = shots.images.double()
        weight, bias = _discriminant(*self._estimate(images, shots.labels))
        text = shots.scale * F.normalize(shots.texts, dim=1).double()
        if shots.validation is not None:
            image = shots.validation[0]
            s = image @ text.to(image).T
            g = torch.addmm(bias.to(image), image, weight.to(image).T)
            scores = [shots.accuracy(s + alpha * g) for alpha in self.alphas]
            self.alpha.fill_(self.alphas[scores.index(max(scores))])
        alpha = self.alpha.double()
        self.set_classifier(text + alpha * weight, alpha * bias)

    def score_new(self, image: Tensor, text: Tensor) -> Tensor | None:
        """Score classes by Gaussians of the images nearest to their texts."""
        if not self.images.numel():
            return None
        weight, bias = self._kept.get(
            lambda: _discriminant(*self._imagine(text.double())),
            learned=[text, self.images, self.count])
        return self.alpha * torch.addmm(bias.to(image), image,
                                        weight.to(image).T)

    def _estimate(self, images: Tensor, labels: Tensor
                  ) -> tuple[Tensor, Tensor]:
        """Estimate means ``(K, D)`` and the precision ``(D, D)``."""
        size, width = len(self.class_ids), self.width
        count = torch.bincount(labels, minlength=size).to(images)[:, None]
        means = images.new_zeros(size, width).index_add_(0, labels, images)
        means /= count
        rest = images - means[labels]
        if self.estimator == 'plain':
            rest = rest / (size * (count - 1)).sqrt()[labels]
            return means, torch.linalg.pinv(rest.T @ rest, hermitian=True,
                                            rtol=width * 1.2e-7)
        scatter = rest.T @ rest
        scatter.diagonal().add_(scatter.trace() / (len(rest) - 1))
        return means, width * torch.cholesky_inverse(
            torch.linalg.cholesky(scatter))

    def _imagine(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Make means ``(R, D)`` and a precision for classes of which there
        are only texts ``(R, D)``."""
        slots = torch.arange(self.images.shape[1], device=text.device)
        kept = self.images[slots < self.count[:, None]].to(text)
        number = min(self.num_neighbors, len(kept))
        nearest = (text @ kept.T).topk(number, 1).indices
        means, precision = [], text.new_zeros(self.width, self.width)
        for t, index in zip(text, nearest, strict=True):
            near = kept[index]
            means.append((near.sum(0) + TEXT_COPIES * t)
                         / (number + TEXT_COPIES))
            rest = near - t
            shrink = rest.square().sum() / max(number - 1, 1)
            # The inverse of rest.T @ rest + shrink, by a matrix of the size
            # of the neighbours.
            small = rest @ rest.T
            small.diagonal().add_(shrink)
            precision -= rest.T @ torch.linalg.solve(small, rest) / shrink
            precision.diagonal().add_(1 / shrink)
        return torch.stack(means), precision * (self.width / len(text))

    def _keep(self, shots: Shots) -> None:
        """Remember the images, class by class."""
        room = self.images.shape[1]
        if not room:
            return
        count = torch.bincount(shots.labels, minlength=len(self.class_ids))
        if (most := int(count.max())) > room:
            raise DeptError(
                f'GDAProbe has room for num_shots={room} images per class, '
                f'but one has {most} (views of an image count). Set '
                'num_shots, or 0 to leave classes without images to CLIP.')
        self.images.zero_()
        for row in range(len(count)):
            own = shots.images[shots.labels == row]
            self.images[row, :len(own)] = own.to(self.images)
        self.count.copy_(count)


def _discriminant(means: Tensor, precision: Tensor) -> tuple[Tensor, Tensor]:
    """Turn Gaussians with equal priors into a linear classifier."""
    weight = means @ precision
    return weight, -(weight * means).sum(1) / 2 - math.log(len(means))
