"""The dual head of Decoupled Prompt Tuning (DePT)."""
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
    r"""Add Decoupled Prompt Tuning to any prompt learner or neck.

    "DePT: Decoupled Prompt Tuning" (Zhang et al., CVPR 2024) trains a second
    head beside CLIP's similarity head. The second head learns what is
    specific to the base classes (those the model is tuned on), so that the
    features themselves stay general. With un-normalised image features
    :math:`f_i`, class texts :math:`t_c`, channel-wise transforms :math:`g`
    and labels :math:`y`,

    .. math::
        L_{CAT} &= \text{CE}(X W^T + b, [y, y]), \quad
        X = [g_{txt}(t_{y_1}), \dots, g_{txt}(t_{y_B}),
             g_{img}(f_1), \dots, g_{img}(f_B)] \\
        L &= (1 - \lambda) L_{ITM} + \lambda L_{CAT} \\
        z_i &= (1 - \mu) s_i + \mu (W g_{img}(f_i) + b)

    where :math:`z` are the logits of the base classes; all other classes
    keep the similarity :math:`s`. (The paper fuses probabilities, its code
    fuses logits.) The two weighted losses are logged as ``loss_itm`` and
    ``loss_cat``, after the paper's names of the heads. The further terms in
    ``losses`` use the features before the transforms. As in all public code,
    they keep the weight that they have in the host, while the similarity loss
    loses weight. ``term_weight=0.3``, which is :math:`1 - \lambda`, keeps the
    host's balance of the two.

    The second head has one row per base class and identifies the class by
    its identity, not by its position. It therefore scores exactly these
    classes, in any vocabulary. If the vocabulary also contains classes
    without a row, one number per image is added to the base logits. It gives
    the base classes the same total probability as the similarities do, and
    changes neither their order nor the softmax among them.

    Args:
        vocabulary (Mapping | Sequence[str] | Vocabulary): Vocabulary whose
            base classes get a row each; see ``Vocabulary.resolve``.
        clip (Mapping, optional): Config of the CLIP, which determines the
            width of the features and the dtype of the linear layer.
        in_channels (int, optional): Width of the features, if no ``clip`` is
            given.
        loss_weight (float): :math:`\lambda`. Defaults to 0.7.
        similarity_weight (float, optional): Weight of :math:`L_{ITM}`, for
            weights that do not sum to 1. Defaults to :math:`1 - \lambda`.
        term_weight (float): Factor of all terms in ``losses``.
            Defaults to 1.0.
        fusion_weight (float): :math:`\mu`; with 1, only the second head
            decides. Defaults to 0.7.
        fusion (str): ``'logits'``, as in the paper's code, or ``'probs'``,
            as in the paper. Defaults to ``'logits'``.
        transform (bool): Whether to use the channel-wise transforms.
            Defaults to True.
        classifier (str): ``'linear'``, or ``'similarity'`` for a second
            similarity head on transformed features. Defaults to
            ``'linear'``.
        **kwargs: Arguments of ``CLIPHead``.

    Raises:
        DeptError: If an option is out of range, neither ``clip`` nor
            ``in_channels`` is given, or a checkpoint lacks rows of some
            classes.

    Examples:
        >>> head = dict(
        ...     type='DePTHead', clip=_base_.clip, vocabulary=_base_.dataset,
        ...     loss_weight=0.7, fusion_weight=0.7)
    """
    row_keys = ('linear.weight', 'linear.bias')

    def __init__(self,
                 vocabulary: Mapping | Sequence[str] | Vocabulary,
                 clip: Mapping | None = None,
                 in_channels: int | None = None,
                 loss_weight: float = 0.7,
                 similarity_weight: float | None = None,
                 term_weight: float = 1.0,
                 fusion_weight: float = 0.7,
                 fusion: str = 'logits',
                 transform: bool = True,
                 classifier: str = 'linear',
                 **kwargs) -> None:
        super().__init__(**kwargs)
        if similarity_weight is None:
            similarity_weight = 1 - loss_weight
        _check_range(1, loss_weight=loss_weight, fusion_weight=fusion_weight)
        _check_range(torch.inf, similarity_weight=similarity_weight,
                     term_weight=term_weight)
        for name, value, known in (
                ('fusion', fusion, ('logits', 'probs')),
                ('classifier', classifier, ('linear', 'similarity'))):
            if value not in known:
                raise DeptError(f'DePTHead: {name}={value!r} is not one of '
                                f'{known}.')
        if (clip is None) == (in_channels is None):
            raise DeptError("DePTHead: give either 'clip' (clip=_base_.clip) "
                            "or 'in_channels', but not both.")
        if classifier == 'similarity' and not transform:
            raise DeptError("DePTHead: classifier='similarity' without "
                            'transform is the similarity head twice.')
        width = in_channels or clip_spec(clip).embed_dim
        self.class_ids = Vocabulary.resolve(vocabulary).base
        self.loss_weight = loss_weight
        self.similarity_weight = similarity_weight
        self.term_weight = term_weight
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
        """Compute logits ``(B, C)``: fused ones for classes with a row,
        similarities for all others."""
        s = super().forward(feats)
        columns, rows = self.match(feats)
        if not rows:
            return s
        second = self._score_second(feats, columns, rows)
        fused = self._fuse(s[:, columns], second)
        if len(columns) < s.shape[1]:
            mass = s[:, columns].logsumexp(1) - fused.logsumexp(1)
            fused = fused + mass[:, None]
        z = s.clone()
        z[:, columns] = fused
        return z

    def _compute_losses(self, feats: CLIPFeatures, target: Tensor, **kwargs
                        ) -> dict[str, Tensor]:
        """Compute the weighted losses of both heads, which mmengine adds up.

        Raises:
            DeptError: If the class of a sample has no row.
        """
        losses = super()._compute_losses(feats, target, **kwargs)
        for i in range(len(self.terms)):
            losses[f'loss_term{i}'] = self.term_weight * losses[
                f'loss_term{i}']
        losses['loss_itm'] = self.similarity_weight * losses.pop('loss')
        losses['loss_cat'] = self.loss_weight * self.loss_module(
            *self._make_second_batch(feats, target), **kwargs)
        return losses

    def _make_second_batch(self, feats: CLIPFeatures, target: Tensor
                           ) -> tuple[Tensor, Tensor]:
        """Return logits and labels for the loss of the second head.

        The linear layer classifies the texts of the targets and then the
        images, ``(2B, C)``; the similarity variant only the images.
        """
        label = self.rows_of(feats, target)
        if self.linear is None:
            return similarity(self.image_transform(feats.image),
                              self.text_transform(feats.text),
                              feats.logit_scale, feats.per_image), target
        x = torch.cat([self.text_transform(feats.text_of(target)),
                       self.image_transform(feats.image)])
        return self._apply_linear(x), torch.cat([label, label])

    def _score_second(self, feats: CLIPFeatures, columns: list[int],
                      rows: list[int]) -> Tensor:
        """Compute the logits ``(B, len(rows))`` of the second head."""
        image = self.image_transform(feats.image)
        if self.linear is not None:
            return self._apply_linear(image)[:, rows]
        text = self.text_transform(feats.text[..., columns, :])
        return similarity(image, text, feats.logit_scale, feats.per_image)

    def _apply_linear(self, x: Tensor) -> Tensor:
        """Apply the linear layer in its own dtype; the result is fp32."""
        return self.linear(x.to(self.linear.weight.dtype)).float()

    def _fuse(self, s: Tensor, second: Tensor) -> Tensor:
        """Fuse similarities and logits of the second head, both ``(B, R)``."""
        mu = self.fusion_weight
        if self.fusion == 'logits':
            return (1 - mu) * s + mu * second
        return torch.log((1 - mu) * F.softmax(s, 1)
                         + mu * F.softmax(second, 1))


def _check_range(most: float, **weights: float) -> None:
    """Refuse a weight that is not between 0 and ``most``."""
    for name, value in weights.items():
        if not 0 <= value <= most:
            raise DeptError(f'DePTHead: {name} is {value}; it must be between '
                            f'0 and {most}.')
