"""APE-T: a cache of training images with a residual that is trained."""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.models.probes.base import Shots
from dept_mm.models.probes.cache import CHUNK, CacheProbe, choose_channels
from dept_mm.models.probes.softmax import subtract_target
from dept_mm.registry import MODELS


@MODELS.register_module()
class APET(CacheProbe):
    r"""Train one residual per class for its text and its cached images.

    APE-T of "Not All Features Matter: Enhancing Few-shot CLIP with Adaptive
    Prior Refinement" (Zhu et al., ICCV 2023). A residual :math:`r_c` of
    ``num_channels`` channels is added to the text :math:`t_c` and to all keys
    :math:`k` of the class; together with one weight :math:`v_k` per key it is
    trained by the cross-entropy of the logits

    .. math::
        s \langle f, t_c + r_c \rangle + \alpha \sum_{k \in c}
        e^{-\beta (1 - \langle f, k + r_c \rangle)} v_k

    by AdamW with a half cosine. The epoch with the best accuracy on
    validation images is kept, the first if there are several, and the last
    epoch without validation images; then :math:`\alpha` and :math:`\beta` are
    searched as in ``APE``.

    The defaults are those of the paper's code for ImageNet. As in this code,
    channels are chosen by texts alone, and images are compared in all of
    them.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
        num_shots (int): Room for so many images per class. Defaults to 16.
        num_channels (int, optional): Defaults to half the width.
        similarity_weight, variance_weight (float): Weights of the two
            criteria. Default to 0.2 and 0.8.
        alpha, beta (float): In training, and without validation images.
            Default to 2 and 1.
        max_alpha, max_beta (float): Ends of the grid. Default to 7.
        rate (float): Learning rate; the paper's code has 0.001 for most
            other data sets. Defaults to 1e-4.
        epochs (int): Defaults to 20.
        batch_size (int): Defaults to 256.

    Raises:
        DeptError: If there are more images of a class than room, or fewer
            channels than ``num_channels``.

    Examples:
        >>> neck = dict(type='APET', clip=_base_.clip,
        ...             vocabulary=_base_.vocabulary)
    """
    row_keys = ('keys', 'votes', 'residual')

    def __init__(self, clip, vocabulary, num_shots: int = 16,
                 num_channels: int | None = None,
                 similarity_weight: float = .2, variance_weight: float = .8,
                 alpha: float = 2., beta: float = 1., max_alpha: float = 7.,
                 max_beta: float = 7., rate: float = 1e-4, epochs: int = 20,
                 batch_size: int = 256) -> None:
        super().__init__(clip, vocabulary, num_shots, num_channels, True,
                         alpha, beta, dict(alpha=max_alpha, beta=max_beta))
        self.weights = similarity_weight, variance_weight
        self.rate = rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.register_buffer('residual', torch.zeros(
            len(self.class_ids), len(self.channels)))
        self.init_header()

    def solve(self, shots: Shots) -> None:
        """Fill the cache, train and search."""
        texts = F.normalize(shots.texts, dim=1)
        slots = self.find_slots(shots.labels)
        self.channels.copy_(choose_channels(
            texts, texts, torch.ones(len(texts)), self.weights,
            len(self.channels)))
        self.keys.zero_()[shots.labels, slots] = shots.images.to(self.keys)
        taken = torch.zeros_like(self.votes)
        taken[shots.labels, slots] = 1
        texts = texts.to(self.keys)
        self._train(shots, texts, taken)
        self.keys[..., self.channels] += self.residual[:, None]
        self.keys *= taken[..., None]
        if shots.validation is not None:
            texts = texts.index_add(1, self.channels, self.residual)
            self.search(shots, texts.to(shots.images), self.votes.T[:, None])

    def score(self, image: Tensor, text: Tensor, rows: list[int],
              scale: Tensor) -> Tensor:
        """Add what the residual does to the text."""
        found = super().score(image, text, rows, scale)
        return found.addmm_(image[:, self.channels].to(found),
                            (scale * self.residual[rows]).T)

    def pick(self, image: Tensor) -> Tensor:
        """Take the image as it is."""
        return image

    def _train(self, shots: Shots, texts: Tensor, taken: Tensor) -> None:
        """Set ``votes`` and ``residual`` to those of the best epoch."""
        model = _Trained(self, shots.scale * texts, taken, shots.scale)
        optimizer = torch.optim.AdamW(
            [model.votes, model.residual], eps=1e-3, weight_decay=.1,
            fused=True)
        images, labels = shots.images.to(texts), shots.labels
        random = torch.Generator().manual_seed(0)
        step, steps = 0, self.epochs * -(-len(labels) // self.batch_size)
        best = -1.
        for _ in range(self.epochs):
            order = torch.randperm(len(labels), generator=random)
            for batch in order.split(self.batch_size):
                optimizer.param_groups[0]['lr'] = self.rate * (
                    1 + math.cos(math.pi * step / steps)) / 2
                model.set_gradients(images[batch], labels[batch])
                optimizer.step()
                step += 1
            score = math.inf if shots.validation is None else (
                shots.accuracy(model.classify(shots.validation[0].to(texts))))
            if score > best or score == math.inf:
                best = score
                self.votes.copy_(model.votes.T)
                self.residual.copy_(model.residual)


class _Trained:
    """The logits of APE-T while its residual and votes are trained.

    The residual of a class multiplies all affinities to its keys by one
    number, so that products with keys need not be taken in the backward pass.

    Args:
        probe (APET): Whose keys are still those of the images.
        texts (Tensor): Scaled texts ``(K, D)``.
        taken (Tensor): 1 where there is a key, else 0, ``(K, S)``.
        scale (float): CLIP's logit scale.
    """

    def __init__(self, probe: APET, texts: Tensor, taken: Tensor,
                 scale: float) -> None:
        self.beta = float(probe.beta)
        self.alpha = float(probe.alpha)
        self.channels, self.scale, self.texts = probe.channels, scale, texts
        self.keys = self.beta * probe.keys.transpose(0, 1)
        self.taken = taken.T.contiguous()
        self.votes = nn.Parameter(self.taken.clone())
        self.residual = nn.Parameter(torch.zeros_like(probe.residual))

    def classify(self, images: Tensor) -> Tensor:
        """Compute logits ``(B, K)`` of any number of images."""
        return torch.cat([self._forward(x)[0] for x in images.split(CHUNK)])

    def set_gradients(self, images: Tensor, labels: Tensor) -> None:
        """Set the gradients of the mean cross-entropy of a batch."""
        logits, bonus, moved, near = self._forward(images)
        error = subtract_target(logits.softmax(1), labels).div_(len(labels))
        moved *= error
        self.votes.grad = self.taken * torch.stack(
            [torch.linalg.vecdot(e, moved, dim=0) for e in near])
        error *= bonus.mul_(self.beta).add_(self.scale)
        self.residual.grad = error.T @ images[:, self.channels]

    def _forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute logits, their second part and its factor, ``(B, K)`` each,
        and affinities to keys without this factor ``(S, B, K)``."""
        shift = images[:, self.channels] @ self.residual.T
        moved = (self.beta * shift).exp_().mul_(self.alpha)
        near = images.new_empty(len(self.keys), *shift.shape)
        bonus = torch.zeros_like(shift)
        for key, vote, e in zip(self.keys, self.votes, near, strict=True):
            torch.mm(images, key.T, out=e).sub_(self.beta).exp_()
            bonus.addcmul_(e, vote)
        bonus *= moved
        logits = torch.addmm(bonus, images, self.texts.T)
        return logits.add_(shift, alpha=self.scale), bonus, moved, near
