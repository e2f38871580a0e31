"""Probes that keep the features of training images, and compare with them."""
from __future__ import annotations

import torch
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.probes.base import BaseProbe, Shots
from dept_mm.models.utils.kept import Kept

STEPS = dict(beta=200, alpha=20, gamma=5)
# Images whose logits fit into the caches of a core.
CHUNK = 256


class CacheProbe(BaseProbe):
    r"""Base class of probes with a cache of ``S`` training images per class.

    With the ``d`` numbers :math:`f'` that :meth:`pick` takes of an image,
    class :math:`c` gets :math:`\alpha \sum_{k \in c}
    e^{-\beta (1 - \langle f', k \rangle)} v_k`.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
        num_shots (int): ``S``, the room for images of a class.
        num_channels (int | None): Channels that are selected; None is half
            the width.
        whole (bool): Whether keys have all channels, or the selected ones.
        alpha, beta (float): The two weights, without validation images.
        ends (dict[str, float]): Ends of the grid of the search, by name.

    Raises:
        DeptError: If there are more images of a class than room, or fewer
            channels than ``num_channels``.
    """
    row_keys: tuple[str, ...] = ('keys', 'votes')

    def __init__(self, clip, vocabulary, num_shots: int,
                 num_channels: int | None, whole: bool, alpha: float,
                 beta: float, ends: dict[str, float]) -> None:
        super().__init__(clip, vocabulary)
        number = self.width // 2 if num_channels is None else num_channels
        if not 1 <= number <= self.width:
            raise DeptError(f'{type(self).__name__}: num_channels is {number}'
                            f'; it must be between 1 and {self.width}, the '
                            "width of the CLIP's features.")
        self.ends = ends
        size = len(self.class_ids)
        self.register_buffer('alpha', torch.tensor(float(alpha)))
        self.register_buffer('beta', torch.tensor(float(beta)))
        self.register_buffer('channels', torch.arange(number))
        self.register_buffer('keys', torch.zeros(
            size, num_shots, self.width if whole else number))
        self.register_buffer('votes', torch.zeros(size, num_shots))
        self._kept = Kept()

    def pick(self, image: Tensor) -> Tensor:
        """Take what is compared, ``(B, d)``, of normalised images."""
        raise NotImplementedError

    def find_slots(self, labels: Tensor) -> Tensor:
        """Number the images of each class ``(N, )`` from 0."""
        count = torch.bincount(labels)
        room = self.keys.shape[1]
        if (most := int(count.max())) > room:
            raise DeptError(
                f'{type(self).__name__} has room for num_shots={room} images '
                f'per class, but one has {most} (views of an image count).')
        order = labels.argsort(stable=True)
        slots = torch.empty_like(labels)
        first = (count.cumsum(0) - count)[labels[order]]
        slots[order] = torch.arange(len(labels), device=labels.device) - first
        return slots

    def score(self, image: Tensor, text: Tensor, rows: list[int],
              scale: Tensor) -> Tensor:
        """Sum the votes of the keys of each class."""
        keys, votes = self._kept.get(
            lambda: self._lay_out(rows), key=tuple(rows),
            learned=[self.keys, self.votes, self.alpha, self.beta])
        image, far = self.pick(image).to(keys), -self.beta.expand(len(rows))
        found = image.new_zeros(len(image), len(rows))
        chunk = CHUNK if image.device.type == 'cpu' else len(image)
        for x, total in zip(image.split(chunk), found.split(chunk),
                            strict=True):
            for key, vote in zip(keys, votes, strict=True):
                total.addcmul_(torch.addmm(far, x, key.T).exp_(), vote)
        return found

    def _lay_out(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """Prepare keys ``(S, R, d)`` and votes ``(S, R)``, weighted."""
        keys = (self.beta * self.keys[rows]).transpose(0, 1).contiguous()
        return keys, (self.alpha * self.votes[rows]).T.contiguous()

    def search(self, shots: Shots, texts: Tensor, votes: Tensor) -> int:
        """Set alpha and beta to the best of the grid, on validation images.

        Args:
            shots (Shots): What to fit.
            texts (Tensor): Texts ``(K, D)``, which images are compared with.
            votes (Tensor): ``G`` votes of each key, ``(S, G, K)``.

        Returns:
            int: Which of the ``G`` votes is best.
        """
        alphas, betas = (self.make_grid(n, .1) for n in ('alpha', 'beta'))
        keys = self.keys.transpose(0, 1)
        right = torch.zeros(len(betas), len(alphas), votes.shape[1],
                            device=votes.device)
        image, target = shots.validation
        chunk = 16 if image.device.type == 'cpu' else 64
        for x, y in zip(image.split(chunk), target.split(chunk), strict=True):
            s = (shots.scale * x @ texts.T).to(votes)
            distance = (self.pick(x).to(keys) @ keys.transpose(1, 2)).sub_(1)
            right += count_right_in_grid(s, distance, votes, y, alphas, betas)
        i, j, k = torch.unravel_index(right.argmax(), right.shape)
        self.beta.copy_(betas[i])
        self.alpha.copy_(alphas[j])
        return int(k)

    def make_grid(self, name: str, start: float) -> Tensor:
        """Return the values of a number to search."""
        steps = torch.arange(STEPS[name], device=self.keys.device)
        return start + steps * (self.ends[name] - start) / STEPS[name]


def count_right_in_grid(s: Tensor, distance: Tensor, votes: Tensor,
                        target: Tensor, alphas: Tensor, betas: Tensor
                        ) -> Tensor:
    """Count the images that each point of the grid classifies correctly.

    Args:
        s (Tensor): Similarities ``(B, K)``.
        distance (Tensor): Cosines of images and keys less 1, ``(S, B, K)``.
        votes (Tensor): ``(S, G, K)``.
        target (Tensor): ``(B, )``.
        alphas (Tensor): ``(A, )``.
        betas (Tensor): In equal steps, ``(E, )``.

    Returns:
        Tensor: ``(E, A, G)``.
    """
    found, step = [], ((betas[1] - betas[0]) * distance).exp_()
    affinity = torch.empty_like(distance)
    pairs = list(zip(affinity, votes[:, :, None], strict=True))
    for i, beta in enumerate(betas):
        if i % 10:  # a product costs less; rounding must not add up
            affinity *= step
        else:
            torch.exp(beta * distance, out=affinity)
        bonus = s.new_zeros(votes.shape[1], *s.shape)
        for near, vote in pairs:
            bonus.addcmul_(near, vote)
        found.append(count_right(s, bonus, target, alphas).T)
    return torch.stack(found)


def count_right(s: Tensor, bonus: Tensor, target: Tensor, alphas: Tensor
                ) -> Tensor:
    """Count the images that ``s + alpha * bonus`` classifies correctly.

    Class ``c`` loses against the target where ``alpha`` is larger, or
    smaller, than one number; so each image is right in an interval.

    Args:
        s (Tensor): ``(B, K)``.
        bonus (Tensor): ``(G, B, K)``.
        target (Tensor): ``(B, )``.
        alphas (Tensor): Positive, ``(A, )``.

    Returns:
        Tensor: ``(G, A)``.
    """
    column = target[:, None]
    gap = s - s.gather(1, column)
    gap[gap == 0] = -1e-20  # a draw is right
    gain = bonus.gather(2, column.expand(len(bonus), -1, -1)) - bonus
    # Where the gain has the other sign, the bound is infinite or huge.
    low = (gap / gain.clamp(min=0)).amax(2)
    high = (gap.clamp(max=-1e-20) / gain.clamp(max=-1e-30)).amin(2)
    return ((low[..., None] <= alphas) & (alphas <= high[..., None])).sum(1)


def choose_channels(texts: Tensor, total: Tensor, count: Tensor,
                    weights: tuple[float, float], number: int) -> Tensor:
    """Choose channels in which classes differ.

    Args:
        texts (Tensor): Normalised texts ``(K, D)``, which should vary.
        total (Tensor): Sum of the normalised examples of each class ``(K,
            D)``, whose products over classes should be small.
        count (Tensor): Examples of each class ``(K, )``.
        weights (tuple[float, float]): Of the products and the variance.
        number (int): How many channels to choose.

    Returns:
        Tensor: ``(number, )``.
    """
    # Products over all pairs of examples of two classes.
    pairs = total.sum(0).square() - total.square().sum(0)
    count = count.double()
    size = float(count.sum().square() - count.square().sum())
    between, variance = weights
    criterion = variance * texts.var(0) - between * pairs / max(size, 1.)
    return criterion.topk(number).indices
