"""Tip-Adapter: score classes by a cache of training images."""
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.clip import clip_spec
from dept_mm.models.utils.class_rows import ClassRowsMixin
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Vocabulary


@MODELS.register_module()
class TipAdapter(ClassRowsMixin, BaseModule):
    r"""Add a bonus to the logits of classes with similar training images.

    This neck stands between ``PromptedCLIP`` and a head, and follows the code
    of "Tip-Adapter: Training-free Adaption of CLIP for Few-shot
    Classification" (Zhang et al., ECCV 2022). A cache holds the normalised
    features :math:`F_c` of the training images of each class :math:`c`. For
    the normalised image feature :math:`\hat f`, ``CLIPHead`` and ``DePTHead``
    add to the logit of class :math:`c` the bonus

    .. math::
        \alpha \sum_{k \in F_c} \exp(-\beta (1 - \langle \hat f, k \rangle))

    Classes without images in the cache get no bonus. ``TipAdapterHook`` fills
    the cache when training starts, and searches :math:`\alpha` and
    :math:`\beta`. Checkpoints contain the cached features (the *keys*) and
    both numbers.

    With ``trainable=True`` (Tip-Adapter-F in the paper), training continues
    from the cached features and does not normalise them again. The code of
    the paper then reports the epoch with the best test accuracy; here the
    last epoch counts.

    Args:
        clip (Mapping): Config of the CLIP, which determines the width ``D``
            of the features.
        vocabulary (Mapping | Sequence[str] | Vocabulary): Vocabulary whose
            ``K`` base classes get a row each in the cache; see
            ``Vocabulary.resolve``.
        num_shots (int): Largest number ``S`` of images per class.
        alpha (float): :math:`\alpha` until it is searched. Defaults to 1.0.
        beta (float): :math:`\beta` until it is searched. Defaults to 1.0.
        trainable (bool): Whether the keys are learned. Defaults to False.

    Raises:
        DeptError: If an option is out of range, an empty cache is used, or
            a checkpoint lacks keys of some classes.

    Examples:
        >>> neck = dict(
        ...     type='TipAdapter', clip=_base_.clip,
        ...     vocabulary=_base_.dataset, num_shots=16)
        >>> custom_hooks = [dict(type='TipAdapterHook')]
    """
    row_keys = ('keys', 'count')

    def __init__(self, clip: Mapping,
                 vocabulary: Mapping | Sequence[str] | Vocabulary,
                 num_shots: int, alpha: float = 1., beta: float = 1.,
                 trainable: bool = False) -> None:
        super().__init__()
        for name, value, least in (('num_shots', num_shots, 1),
                                   ('alpha', alpha, 0), ('beta', beta, 0)):
            if value < least:
                raise DeptError(f'TipAdapter: {name} is {value}; it must be '
                                f'at least {least}.')
        self.class_ids = Vocabulary.resolve(vocabulary).base
        # Always fp32, like the similarities.
        keys = torch.zeros(len(self.class_ids), num_shots,
                           clip_spec(clip).embed_dim)
        if trainable:
            self.keys = nn.Parameter(keys)
        else:
            self.register_buffer('keys', keys)
        self.register_buffer('count', torch.zeros(len(keys)).long())
        self.register_buffer('alpha', torch.tensor(float(alpha)))
        self.register_buffer('beta', torch.tensor(float(beta)))
        self.init_header()

    @property
    def is_filled(self) -> bool:
        """Whether the cache contains any image."""
        return bool(self.count.any())

    @torch.no_grad()
    def fill(self, image: Tensor, ids: Sequence[str]) -> None:
        """Replace the content of the cache.

        Args:
            image (Tensor): Image features ``(N, D)``, normalised here.
            ids (Sequence[str]): Identity of the class of each image.

        Raises:
            DeptError: If a class is not a base class, or has more images
                than there is room for.
        """
        rows = self.find_rows(ids)
        count: Counter = Counter()
        slots = []
        for key in ids:
            slots.append(count[key])
            count[key] += 1
        room = self.keys.shape[1]
        if most := [key for key, n in count.items() if n > room]:
            raise DeptError(
                f'TipAdapter has room for num_shots={room} images per class, '
                f'but class {most[0]!r} has {count[most[0]]}. Set num_shots '
                'of the data set and of TipAdapter to the same number.')
        self.keys.zero_()
        self.keys[rows, slots] = F.normalize(
            image.float(), dim=-1).to(self.keys.device)
        self.count.copy_(torch.tensor([count[k] for k in self.class_ids]))

    def forward(self, feats: CLIPFeatures) -> CLIPFeatures:
        """Add the ``bonus (B, C)`` to the features.

        Raises:
            DeptError: If the cache is empty, or the backbone has no
                vocabulary.
        """
        if not self.is_filled:
            raise DeptError(
                'The cache of TipAdapter is empty. Run tools/train.py with '
                "dict(type='TipAdapterHook') among custom_hooks, even if "
                'nothing is trained, or load a checkpoint of such a run.')
        if feats.labels is None:
            raise DeptError('TipAdapter adds to the logits of classes: give '
                            'PromptedCLIP a vocabulary, e.g. '
                            'vocabulary=_base_.dataset.')
        columns, rows = self.match(feats)
        votes = self.compute_votes(self.compute_affinity(feats.image),
                                   self.beta)
        bonus = votes.new_zeros(votes.shape[0], len(feats.labels))
        bonus[:, columns] = self.alpha * votes[:, rows]
        return feats._replace(bonus=bonus)

    def compute_affinity(self, image: Tensor) -> Tensor:
        """Compute the dot products ``(B, K, S)`` of normalised images
        ``(B, D)`` with all keys."""
        with torch.autocast(image.device.type, enabled=False):
            image = F.normalize(image.float(), dim=-1)
            return torch.einsum('bd,ksd->bks', image, self.keys)

    def compute_votes(self, affinity: Tensor, beta: Tensor | float) -> Tensor:
        """Sum the votes ``(B, K)`` of the keys of each class, without alpha.

        Args:
            affinity (Tensor): ``(B, K, S)``, see :meth:`compute_affinity`.
            beta (Tensor | float): :math:`\beta`.
        """
        slots = torch.arange(affinity.shape[2], device=affinity.device)
        taken = slots < self.count[:, None]
        return (torch.exp(-beta * (1 - affinity)) * taken).sum(2)
