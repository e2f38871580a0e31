"""APE: a cache of training images, compared in selected channels."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.probes.base import BaseProbe, Shots
from dept_mm.registry import MODELS

STEPS = dict(beta=200, alpha=20, gamma=5)


@MODELS.register_module()
class APE(BaseProbe):
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
    paper's code for ImageNet, where they differ between data sets. APE-T, the
    trained variant, is not part of this.

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
    row_keys = ('keys', 'votes')

    def __init__(self, clip, vocabulary, num_shots: int = 16,
                 num_channels: int | None = None,
                 similarity_weight: float = .7, variance_weight: float = .3,
                 alpha: float = 2., beta: float = 1., gamma: float = .1,
                 max_alpha: float = 7., max_beta: float = 7.,
                 max_gamma: float = .5) -> None:
        super().__init__(clip, vocabulary)
        number = self.width // 2 if num_channels is None else num_channels
        if not 1 <= number <= self.width:
            raise DeptError(f'APE: num_channels is {number}; it must be '
                            f'between 1 and {self.width}, the width of the '
                            "CLIP's features.")
        self.weights = similarity_weight, variance_weight
        self.gamma = gamma
        self.ends = dict(alpha=max_alpha, beta=max_beta, gamma=max_gamma)
        size = len(self.class_ids)
        self.register_buffer('alpha', torch.tensor(float(alpha)))
        self.register_buffer('beta', torch.tensor(float(beta)))
        self.register_buffer('channels', torch.arange(number))
        self.register_buffer('keys', torch.zeros(size, num_shots, number))
        self.register_buffer('votes', torch.zeros(size, num_shots))
        self.init_header()

    def solve(self, shots: Shots) -> None:
        """Select channels, fill the cache and search."""
        texts = F.normalize(shots.texts, dim=1)
        self.channels.copy_(self._select(shots, texts))
        text = F.normalize(texts[:, self.channels], dim=1)
        keys = F.normalize(shots.images[:, self.channels], dim=1)
        sure = (keys @ text.T).softmax(1).gather(1, shots.labels[:, None])
        surprise = torch.log2((1 + 1e-6) / (sure[:, 0] + 1e-6))
        count = torch.bincount(shots.labels)
        if (most := int(count.max())) > self.keys.shape[1]:
            raise DeptError(
                f'APE has room for num_shots={self.keys.shape[1]} images per '
                f'class, but one has {most} (views of an image count).')
        self.keys.zero_()
        value = torch.full_like(self.votes, -torch.inf)
        for row in range(len(count)):
            own = shots.labels == row
            self.keys[row, :count[row]] = keys[own].to(self.keys)
            value[row, :count[row]] = surprise[own].to(value)
        if shots.validation is not None:
            self._search(shots, texts, value)
        self.votes.copy_(_weigh(value, self.gamma))

    def score(self, image: Tensor, text: Tensor, rows: list[int],
              scale: Tensor) -> Tensor:
        """Sum the votes of the keys of each class."""
        affinity = self._compare(image, self.keys[rows])
        return self.alpha * torch.einsum(
            'bks,ks->bk', affinity.sub_(1).mul_(self.beta).exp_(),
            self.votes[rows])

    def _compare(self, image: Tensor, keys: Tensor) -> Tensor:
        """Compute cosines ``(B, K, S)`` of images and keys."""
        image = F.normalize(image[:, self.channels].to(keys), dim=1)
        return (image @ keys.flatten(0, 1).T).unflatten(1, keys.shape[:2])

    def _select(self, shots: Shots, texts: Tensor) -> Tensor:
        """Return the channels ``(num_channels, )``."""
        total = texts.clone().index_add_(0, shots.labels, shots.images)
        # Products over all pairs of examples of two classes.
        pairs = total.sum(0).square() - total.square().sum(0)
        each = torch.bincount(shots.labels).double() + 1
        number = each.sum().square() - each.square().sum()
        between, variance = self.weights
        criterion = (variance * texts.var(0)
                     - between * pairs / max(float(number), 1.))
        return criterion.topk(len(self.channels)).indices

    def _search(self, shots: Shots, texts: Tensor, value: Tensor) -> None:
        """Set alpha, beta and gamma to the best of the grid."""
        alphas, betas = (self._grid(name, .1) for name in ('alpha', 'beta'))
        gammas = self._grid('gamma', 0.)
        votes = torch.stack([_weigh(value, float(g)) for g in gammas], 2)
        right = torch.zeros(len(betas), len(alphas), len(gammas),
                            device=value.device)
        image, target = shots.validation
        for x, y in zip(image.split(64), target.split(64), strict=True):
            s = (shots.scale * x @ texts.T).to(value)
            distance = self._compare(x, self.keys).sub_(1).movedim(1, 0)
            for i, beta in enumerate(betas):
                bonus = (beta * distance).exp_() @ votes
                right[i] += count_right(s, bonus.permute(2, 1, 0), y, alphas
                                        ).T
        best = int(right.flatten().argmax())
        i, j, k = torch.unravel_index(torch.tensor(best), right.shape)
        self.beta.copy_(betas[i])
        self.alpha.copy_(alphas[j])
        self.gamma = float(gammas[k])

    def _grid(self, name: str, start: float) -> Tensor:
        steps = torch.arange(STEPS[name], device=self.keys.device)
        return start + steps * (self.ends[name] - start) / STEPS[name]


def count_right(s: Tensor, bonus: Tensor, target: Tensor, alphas: Tensor
                ) -> Tensor:
    """Count the images that ``s + alpha * bonus`` classifies correctly.

    Class ``c`` loses against the target where ``alpha`` is larger, or
    smaller, than one number; so each image is right in an interval.

    Args:
        s (Tensor): ``(B, K)``.
        bonus (Tensor): ``(G, B, K)``.
        target (Tensor): ``(B, )``.
        alphas (Tensor): ``(A, )``.

    Returns:
        Tensor: ``(G, A)``.
    """
    column = target[:, None]
    gap = s - s.gather(1, column)
    gain = bonus.gather(2, column.expand(len(bonus), -1, -1)) - bonus
    bound = gap / gain
    low = bound.masked_fill(gain <= 0, -torch.inf).amax(2)
    high = bound.masked_fill(gain >= 0, torch.inf).amin(2)
    never = ((gain == 0) & (gap > 0)).any(2)
    high = high.masked_fill(never, -torch.inf)
    return ((low[..., None] <= alphas) & (alphas <= high[..., None])).sum(1)


def _weigh(value: Tensor, gamma: float) -> Tensor:
    """Turn surprise into votes; empty slots, at -inf, have none."""
    return (gamma * value.clamp(min=0)).exp() * value.isfinite()
