"""APE: a cache of training images, compared in selected channels."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.models.probes.base import Shots
from dept_mm.models.probes.cache import CacheProbe, choose_channels
from dept_mm.registry import MODELS


@MODELS.register_module()
class APE(CacheProbe):
    r"""Add to the similarities the votes of a cache, in selected channels.

    "Not All Features Matter: Enhancing Few-shot CLIP with Adaptive Prior
    Refinement" (Zhu et al., ICCV 2023), training-free: of normalised texts and
    images, the ``num_channels`` channels are kept in which classes resemble
    each other least and texts vary most. With features :math:`f'` of these
    channels, normalised again, the logit of class :math:`c` is

    .. math::
        s \langle f, t_c \rangle + \alpha \sum_{k \in c}
        e^{-\beta (1 - \langle f', k' \rangle)} e^{\gamma d_k}, \quad
        d_k = \text{KL}(y_k \,\|\, \text{softmax}(\langle k', t' \rangle))

    in bits. The three numbers are searched on validation images, in a grid of
    200 values of :math:`\beta`, 20 of :math:`\alpha` and 5 of
    :math:`\gamma`; the first of the best is taken. One pass finds for each
    image between which values of :math:`\alpha` it is classified correctly.

    Other numbers of channels, weights and ends of the grid are those of the
    paper's code for ImageNet, where they differ between data sets. ``APET``
    is the trained variant.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
        num_shots (int): Room for so many images per class. Defaults to 16.
        num_channels (int, optional): Defaults to half the width.
        similarity_weight, variance_weight (float): Weights of the two
            criteria. Default to 0.7 and 0.3.
        alpha, beta, gamma (float): Without validation images. Default to 2,
            1 and 0.1.
        max_alpha, max_beta, max_gamma (float): Ends of the grid. Default to
            7, 7 and 0.5.

    Raises:
        DeptError: If there are more images of a class than room, or fewer
            channels than ``num_channels``.

    Examples:
        >>> neck = dict(type='APE', clip=_base_.clip,
        ...             vocabulary=_base_.vocabulary)
    """

    def __init__(self, clip, vocabulary, num_shots: int = 16,
                 num_channels: int | None = None,
                 similarity_weight: float = .7, variance_weight: float = .3,
                 alpha: float = 2., beta: float = 1., gamma: float = .1,
                 max_alpha: float = 7., max_beta: float = 7.,
                 max_gamma: float = .5) -> None:
        super().__init__(
            clip, vocabulary, num_shots, num_channels, False, alpha, beta,
            dict(alpha=max_alpha, beta=max_beta, gamma=max_gamma))
        self.weights = similarity_weight, variance_weight
        self.gamma = gamma
        self.init_header()

    def solve(self, shots: Shots) -> None:
        """Select channels, fill the cache and search."""
        texts = F.normalize(shots.texts, dim=1)
        slots = self.find_slots(shots.labels)
        self.channels.copy_(choose_channels(
            texts, texts.index_add(0, shots.labels, shots.images),
            1 + torch.bincount(shots.labels), self.weights,
            len(self.channels)))
        keys = self.pick(shots.images)
        self.keys.zero_()[shots.labels, slots] = keys.to(self.keys)
        sure = (keys @ self.pick(texts).T).softmax(1).gather(
            1, shots.labels[:, None])
        surprise = torch.log2((1 + 1e-6) / (sure[:, 0] + 1e-6))
        value = torch.full_like(self.votes, -torch.inf)
        value[shots.labels, slots] = surprise.to(value)
        gamma = self.gamma
        if shots.validation is not None:
            gammas = self.make_grid('gamma', 0.).tolist()
            gamma = gammas[self.search(shots, texts, torch.stack(
                [_weigh(value, g).T for g in gammas], 1))]
        self.votes.copy_(_weigh(value, gamma))

    def pick(self, image: Tensor) -> Tensor:
        """Take the selected channels ``(B, d)``, normalised again."""
        return F.normalize(image[:, self.channels], dim=1)


def _weigh(value: Tensor, gamma: float) -> Tensor:
    """Turn surprise into votes; empty slots, at -inf, have none."""
    return (gamma * value.clamp(min=0)).exp() * value.isfinite()
