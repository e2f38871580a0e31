"""The loss of LoCoOp, on patches that do not show the class of the image."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.utils.similarity import local_similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class LocalEntropyLoss(nn.Module):
    r"""Let patches without the class of the image look like no class.

    "LoCoOp: Few-Shot Out-of-Distribution Detection via Prompt Learning"
    (Miyai et al., NeurIPS 2023). A patch whose ``top_k`` likeliest classes do
    not contain that of the image is taken for something unknown. The loss is
    :math:`-w` times the mean entropy of such patches, in nats (equation 7, as
    its code computes it); it is 0 where there are none.

    Args:
        top_k (int | float): Number of classes, or below 1 their share.
            Defaults to 0.2, the paper's 200 of 1,000.
        loss_weight (float): :math:`w`. Defaults to 0.25, as in the paper.

    Raises:
        DeptError: If ``top_k`` is not positive.

    Examples:
        >>> model = dict(
        ...     backbone=dict(local=True),
        ...     head=dict(losses=[dict(type='LocalEntropyLoss')]))
    """

    def __init__(self, top_k: int | float = .2, loss_weight: float = .25
                 ) -> None:
        super().__init__()
        if top_k <= 0:
            raise DeptError(f'LocalEntropyLoss: top_k is {top_k}; it must be '
                            'positive.')
        self.top_k = top_k
        self.loss_weight = loss_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor, target: Tensor
                ) -> Tensor:
        """Compute the scalar loss.

        Args:
            feats (CLIPFeatures): With features of patches.
            logits (Tensor): Not used.
            target (Tensor): ``(B, )``, the row of each image's class.

        Raises:
            DeptError: If there are no features of patches, or ``top_k`` is
                not below the number of classes.
        """
        if 'local' not in (feats.extra or {}):
            raise DeptError('LocalEntropyLoss looks at patches: give the '
                            'backbone local=True.')
        chance = local_similarity(feats).softmax(-1)
        classes = chance.shape[-1]
        top_k = self.top_k
        if top_k < 1:
            top_k = max(1, int(classes * top_k))
        if top_k >= classes:
            raise DeptError(f'LocalEntropyLoss: top_k={top_k} of {classes} '
                            'classes leaves no patch; give fewer, or a share '
                            'such as 0.2.')
        top = chance.topk(top_k, dim=-1).indices
        unknown = (top != target[:, None, None]).all(-1)
        if not unknown.any():
            return 0. * chance.sum()  # a loss that has a gradient
        chance = chance[unknown]
        # The summand is that of the code, which keeps the logarithm finite.
        entropy = -(chance * torch.log(chance + 1e-5)).sum(-1)
        return -self.loss_weight * entropy.mean()
