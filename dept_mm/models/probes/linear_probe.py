"""Logistic regression on image features (CLIP's linear probe)."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.models.probes.base import Shots
from dept_mm.models.probes.classifier import ClassifierProbe
from dept_mm.models.probes.softmax import softmax_gradient
from dept_mm.registry import MODELS


@MODELS.register_module()
class LinearProbe(ClassifierProbe):
    r"""Fit L2-regularised logistic regression by L-BFGS.

    The linear probe of "Learning Transferable Visual Models From Natural
    Language Supervision" (Radford et al., ICML 2021), without class texts:

    .. math::
        \min_{W, b} \tfrac12 \|W\|^2 + C \sum_n \text{CE}(W f_n + b, y_n)

    which is what scikit-learn's ``LogisticRegression`` minimises. ``f`` are
    normalised here, which multiplies C by their squared length, about 100.

    :math:`C` is searched on validation images as in the paper: seven powers of
    ten from 1e-6 to 1e6, then steps of half the size around the best one,
    down to an eighth of a decade; among equals, the largest C wins, as in
    the code of CoOp. As accuracy falls on both sides of the best C, the first
    search stops when it has fallen twice. Each fit starts from the one with
    the nearest smaller C.

    The solver works on centred features in which all directions vary more
    equally. It needs down to a third of the steps, and ends in the same
    minimum.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
        C (float): :math:`C` without validation images. Defaults to 31.6,
            which is the 0.316 of CLIP's example code for features of length
            10.
        max_iter (int): Most steps of a fit. Defaults to 1000.
        tolerance (float): A fit ends where no entry of the gradient of
            the mean loss is larger than this over K, as entries shrink with
            the number of classes. Defaults to 1e-3.

    Examples:
        >>> neck = dict(type='LinearProbe', clip=_base_.clip,
        ...             vocabulary=_base_.vocabulary)
    """

    def __init__(self, clip, vocabulary, C: float = 31.6,
                 max_iter: int = 1000, tolerance: float = 1e-3) -> None:
        super().__init__(clip, vocabulary)
        self.max_iter = max_iter
        self.tolerance = tolerance
        self.register_buffer('C', torch.tensor(float(C)))

    def solve(self, shots: Shots) -> None:
        """Search C, and keep the classifier of the best one."""
        if shots.validation is None:
            self.set_classifier(*self._fit(shots, float(self.C)))
            return
        fits: dict[float, tuple[Tensor, Tensor]] = {}
        scores: dict[float, float] = {}

        def measure(power: float) -> None:
            if power in scores or abs(power) > 6:
                return
            start = max((p for p in fits if p < power), default=None)
            fits[power] = self._fit(shots, 10**power, fits.get(start))
            weight, bias = fits[power]
            scores[power] = shots.accuracy(torch.addmm(
                bias, shots.validation[0].to(weight), weight.T))

        def best() -> float:
            return max(scores, key=lambda power: (scores[power], power))

        for power in range(-6, 7, 2):
            measure(power)
            if power >= best() + 4:
                break
        step = 1.
        while step >= 1 / 8:
            middle = best()
            for power in (middle - step, middle + step):
                measure(power)
            step /= 2
        self.C.fill_(10**best())
        self.set_classifier(*fits[best()])

    def _fit(self, shots: Shots, strength: float,
             start: tuple[Tensor, Tensor] | None = None
             ) -> tuple[Tensor, Tensor]:
        """Return ``W (K, D)`` and ``b (K, )`` of the minimum for one C."""
        images, labels = shots.images, shots.labels
        decay = 1 / (strength * len(images))
        mean = images.mean(0)
        back = _equalizer(images - mean, decay, len(self.class_ids))
        white = (images - mean) @ back
        penalty = decay * (back.T @ back)
        weight = white.new_zeros(len(self.class_ids), white.shape[1])
        bias = white.new_zeros(len(weight))
        if start is not None:
            weight = start[0] @ torch.linalg.inv(back).T
            bias = start[1] + start[0] @ mean
        weight, bias = nn.Parameter(weight), nn.Parameter(bias)
        optimizer = torch.optim.LBFGS(
            [weight, bias], max_iter=self.max_iter, history_size=20,
            tolerance_grad=self.tolerance / len(weight),
            tolerance_change=0, line_search_fn='strong_wolfe')

        def closure() -> Tensor:
            loss, weight.grad, bias.grad = softmax_gradient(
                white, labels, weight, bias)
            pull = weight @ penalty
            weight.grad += pull
            return loss + (pull * weight).sum() / 2

        optimizer.step(closure)
        weight = weight @ back.T
        return weight, bias - weight @ mean


def _equalizer(centred: Tensor, decay: float, size: int) -> Tensor:
    """Return a map ``(D, D)`` half-way to features with unit covariance.

    The loss of ``size`` classes is curved by about the covariance over
    ``size``, plus the decay. Equal curvature would be best at the start, but
    not near the minimum, where most images hardly count.
    """
    value, vector = torch.linalg.eigh(
        (centred.T @ centred).double() / len(centred))
    return (vector * (value.clamp(min=0) / size + decay)**-.25).to(centred)
