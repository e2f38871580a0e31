"""Tip-Adapter and Tip-Adapter-F."""
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
    r"""A cache of training images that votes for their classes.

    "Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification"
    (Zhang et al., ECCV 2022), as its code has it: with the normalised image
    feature :math:`\hat f` and the normalised features :math:`F_c` of the
    training images of class :math:`c`, its logit gets the bonus

    .. math::
        \alpha \sum_{k \in F_c} \exp(-\beta (1 - \langle \hat f, k \rangle))

    Classes without images in the cache get none. With ``trainable`` (called
    Tip-Adapter-F) the keys are learned from there on, and not normalised
    again. The code of the paper then reports the epoch that is best on the
    test set; here the last one counts.

    A neck, between ``PromptedCLIP`` and a head: ``CLIPHead`` and ``DePTHead``
    add the bonus to the similarities. ``TipAdapterHook`` fills the cache when
    training starts and searches :math:`\alpha` and :math:`\beta`; keys and
    both numbers are stored in checkpoints.

    Args:
        clip (Mapping): Config of the CLIP, for the width ``D`` of its
            features.
        vocabulary (Mapping | Sequence[str] | Vocabulary): Its base classes
            get rows in the cache; see ``Vocabulary.resolve``.
        num_shots (int): Room for images per class; a class may have fewer.
        alpha (float): :math:`\alpha` until it is searched. Defaults to 1.0.
        beta (float): :math:`\beta` until it is searched. Defaults to 1.0.
        trainable (bool): Whether the keys are learned. Defaults to False.

    Raises:
        DeptError: If an option is out of range, an empty cache is asked, or
            a checkpoint has keys of other classes.
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
        # In fp32 beside any CLIP, as similarities are.
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
    def filled(self) -> bool:
        """Whether the cache holds any image."""
        return bool(self.count.any())

    @torch.no_grad()
    def fill(self, image: Tensor, ids: Sequence[str]) -> None:
        """Put images into the cache, in place of what it held.

        Args:
            image (Tensor): ``(N, D)``, normalised here.
            ids (Sequence[str]): Identity of the class of each image.

        Raises:
            DeptError: If a class is not a base class, or has more images
                than there is room for.
        """
        row = {key: i for i, key in enumerate(self.class_ids)}
        if unknown := sorted(set(ids) - set(row)):
            raise DeptError(f'TipAdapter has no room for images of '
                            f'{unknown[:5]}, which are not base classes of '
                            "its vocabulary. Train on task='base', or make "
                            'them base classes.')
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
        self.keys[[row[key] for key in ids], slots] = F.normalize(
            image.float(), dim=-1).to(self.keys.device)
        self.count.copy_(torch.tensor([count[k] for k in self.class_ids]))

    def forward(self, feats: CLIPFeatures) -> CLIPFeatures:
        """The same features with a ``bonus (B, C)``."""
        if not self.filled:
            raise DeptError(
                'The cache of TipAdapter is empty. tools/train.py fills it, '
                "with dict(type='TipAdapterHook') among custom_hooks, also "
                'where nothing is trained; or load a checkpoint of that run.')
        if feats.labels is None:
            raise DeptError('TipAdapter votes for classes: give PromptedCLIP '
                            'a vocabulary, e.g. vocabulary=_base_.dataset.')
        columns, rows = self.match(feats)
        votes = self.votes(self.affinity(feats.image), self.beta)
        bonus = votes.new_zeros(len(votes), len(feats.labels))
        bonus[:, columns] = self.alpha * votes[:, rows]
        return feats._replace(bonus=bonus)

    def affinity(self, image: Tensor) -> Tensor:
        """Products ``(B, K, S)`` of images ``(B, D)`` with all keys."""
        with torch.autocast(image.device.type, enabled=False):
            image = F.normalize(image.float(), dim=-1)
            return torch.einsum('bd,ksd->bks', image, self.keys)

    def votes(self, affinity: Tensor, beta: Tensor | float) -> Tensor:
        """Votes ``(B, K)`` for the classes of all rows, before alpha."""
        slots = torch.arange(affinity.shape[2], device=affinity.device)
        taken = slots < self.count[:, None]
        return (torch.exp(-beta * (1 - affinity)) * taken).sum(2)
