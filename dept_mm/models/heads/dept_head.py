"""DePT's dual head."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.clip import clip_spec, learned_dtype
from dept_mm.models.heads.channel_transform import ChannelTransform
from dept_mm.models.heads.clip_head import CLIPHead
from dept_mm.models.utils.class_rows import ClassRowsMixin
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Vocabulary


@MODELS.register_module()
class DePTHead(ClassRowsMixin, CLIPHead):
    r"""Decoupled prompt tuning on top of any prompt learner or neck.

    "DePT: Decoupled Prompt Tuning" (Zhang et al., CVPR 2024). A second head,
    trained beside CLIP's similarity head, takes up what only the base
    classes need, so that the shared feature space stays general. With
    un-normalised image features :math:`f_i`, class texts :math:`t_c`,
    channel-wise transforms :math:`g` and labels :math:`y`,

    .. math::
        L_{CAT} &= \text{CE}(X W^T + b, [y, y]), \quad
        X = [g_{txt}(t_{y_1}), \dots, g_{txt}(t_{y_B}),
             g_{img}(f_1), \dots, g_{img}(f_B)] \\
        L &= (1 - \lambda) L_{ITM} + \lambda L_{CAT} \\
        z_i &= (1 - \mu) s_i + \mu (W g_{img}(f_i) + b)

    where :math:`z` are the logits of base classes; all other classes keep
    the similarity :math:`s`. (The paper writes the fusion over
    probabilities; its code fuses logits.) The two weighted losses are
    reported as ``loss_itm`` and ``loss_cat``, the paper's names of the heads.
    Terms of the host (``losses``) are added with their own weight, on the
    features before the transforms.

    The head keeps one row per base class and knows it by identity, so it
    answers for exactly those classes whatever stands beside them. Next to
    classes without a row, each image's base logits are shifted by one number
    that gives the base classes together the probability that similarity
    gives them; their order and their softmax among themselves stay.

    Args:
        vocabulary (Mapping | Sequence[str] | Vocabulary): Its base classes
            get the rows; see ``Vocabulary.resolve``.
        clip (Mapping, optional): Config of the CLIP, for the width of its
            features and the dtype of the linear head.
        in_channels (int, optional): That width, where there is no config.
        loss_weight (float): :math:`\lambda`. Defaults to 0.7.
        fusion_weight (float): :math:`\mu`; 1 answers by the second head
            alone. Defaults to 0.7.
        fusion (str): ``'logits'``, as in the code, or ``'probs'``, as in the
            paper. Defaults to ``'logits'``.
        transform (bool): Whether to have the channel-wise transforms.
            Defaults to True.
        classifier (str): ``'linear'``, or ``'similarity'`` for a second
            similarity head on transformed features. Defaults to
            ``'linear'``.
        **kwargs: Of ``CLIPHead``.

    Raises:
        DeptError: If an option is out of range, neither ``clip`` nor
            ``in_channels`` is given, or a checkpoint has rows for other
            classes.
    """
    row_keys = ('linear.weight', 'linear.bias')

    def __init__(self,
                 vocabulary: Mapping | Sequence[str] | Vocabulary,
                 clip: Mapping | None = None,
                 in_channels: int | None = None,
                 loss_weight: float = 0.7,
                 fusion_weight: float = 0.7,
                 fusion: str = 'logits',
                 transform: bool = True,
                 classifier: str = 'linear',
                 **kwargs) -> None:
        super().__init__(**kwargs)
        for name, value in (('loss_weight', loss_weight),
                            ('fusion_weight', fusion_weight)):
            if not 0 <= value <= 1:
                raise DeptError(f'DePTHead: {name} is {value}; it must be '
                                'between 0 and 1.')
        for name, value, known in (
                ('fusion', fusion, ('logits', 'probs')),
                ('classifier', classifier, ('linear', 'similarity'))):
            if value not in known:
                raise DeptError(f'DePTHead: {name}={value!r} is not one of '
                                f'{known}.')
        if (clip is None) == (in_channels is None):
            raise DeptError("DePTHead: give either 'clip' (clip=_base_.clip) "
                            "or 'in_channels'.")
        if classifier == 'similarity' and not transform:
            raise DeptError("DePTHead: classifier='similarity' without "
                            'transform is the similarity head twice.')
        width = in_channels or clip_spec(clip).embed_dim
        self.class_ids = Vocabulary.resolve(vocabulary).base
        self.loss_weight = loss_weight
        self.fusion_weight = fusion_weight
        self.fusion = fusion
        make = ChannelTransform if transform else lambda _: nn.Identity()
        self.image_transform = make(width)
        self.text_transform = make(width)
        self.linear = None
        if classifier == 'linear':
            dtype = torch.float32 if clip is None else learned_dtype(clip)
            self.linear = nn.Linear(width, len(self.class_ids)).to(dtype)
        self.init_header()

    def forward(self, feats: CLIPFeatures) -> Tensor:
        """Logits ``(B, C)``: fused for classes with a row, similarity for
        all others."""
        s = super().forward(feats)
        columns, rows = self.match(feats)
        if not rows:
            return s
        fused = self._fuse(s[:, columns], self._second(feats, columns, rows))
        if len(columns) < s.shape[1]:
            mass = s[:, columns].logsumexp(1) - fused.logsumexp(1)
            fused = fused + mass[:, None]
        z = s.clone()
        z[:, columns] = fused
        return z

    def _loss(self, feats: CLIPFeatures, target: Tensor, **kwargs
              ) -> dict[str, Tensor]:
        """Both heads' losses, weighted; they are summed by the framework.

        Raises:
            DeptError: If a sample's class has no row.
        """
        losses = super()._loss(feats, target, **kwargs)
        losses['loss_itm'] = (1 - self.loss_weight) * losses.pop('loss')
        losses['loss_cat'] = self.loss_weight * self.loss_module(
            *self._second_batch(feats, target), **kwargs)
        return losses

    def _second_batch(self, feats: CLIPFeatures, target: Tensor
                      ) -> tuple[Tensor, Tensor]:
        """Logits and labels of the second head's loss: text rows first, then
        image rows; the similarity variant has image rows only."""
        label = self.rows_of(feats, target)
        if self.linear is None:
            return similarity(self.image_transform(feats.image),
                              self.text_transform(feats.text),
                              feats.logit_scale, feats.per_image), target
        x = torch.cat([self.text_transform(feats.text_of(target)),
                       self.image_transform(feats.image)])
        return self._linear(x), torch.cat([label, label])

    def _second(self, feats: CLIPFeatures, columns: list[int],
                rows: list[int]) -> Tensor:
        """The second head's logits ``(B, len(rows))``."""
        image = self.image_transform(feats.image)
        if self.linear is not None:
            return self._linear(image)[:, rows]
        text = self.text_transform(feats.text[..., columns, :])
        return similarity(image, text, feats.logit_scale, feats.per_image)

    def _linear(self, x: Tensor) -> Tensor:
        return self.linear(x.to(self.linear.weight.dtype)).float()

    def _fuse(self, s: Tensor, second: Tensor) -> Tensor:
        mu = self.fusion_weight
        if self.fusion == 'logits':
            return (1 - mu) * s + mu * second
        return torch.log((1 - mu) * F.softmax(s, 1)
                         + mu * F.softmax(second, 1))
