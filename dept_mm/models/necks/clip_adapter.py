"""CLIP-Adapter: mix image features with those of a small learned network."""
from __future__ import annotations

from collections.abc import Mapping

from mmengine.model import BaseModule
from torch import nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.clip import clip_spec, learned_dtype
from dept_mm.models.utils.header import HeaderMixin
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class CLIPAdapter(HeaderMixin, BaseModule):
    r"""Mix the image feature with the output of a bottleneck network.

    This neck stands between ``PromptedCLIP`` and a head. It follows the code
    of "CLIP-Adapter: Better Vision-Language Models with Feature Adapters"
    (Gao et al., IJCV 2024): the un-normalised image feature :math:`f` becomes

    .. math::
        f' = r A(f) + (1 - r) f, \quad
        A(f) = \text{ReLU}(W_2 \text{ReLU}(W_1 f))

    where the two layers have no biases.

    Args:
        clip (Mapping): Config of the CLIP, which determines the width ``D``
            of the features and the dtype of the weights.
        reduction (int): The width between the two layers is ``D`` divided by
            this number. Defaults to 4.
        ratio (float): :math:`r`. Defaults to 0.2.

    Raises:
        DeptError: If an option is out of range.

    Examples:
        >>> neck = dict(type='CLIPAdapter', clip=_base_.clip, ratio=0.2)
    """

    def __init__(self, clip: Mapping, reduction: int = 4,
                 ratio: float = 0.2) -> None:
        super().__init__()
        width = clip_spec(clip).embed_dim
        if not 1 <= reduction <= width:
            raise DeptError(f'CLIPAdapter: reduction is {reduction}; it must '
                            f'be between 1 and {width}, the width of the '
                            "CLIP's features.")
        if not 0 <= ratio <= 1:
            raise DeptError(f'CLIPAdapter: ratio is {ratio}; it must be '
                            'between 0 and 1.')
        self.ratio = ratio
        dtype = learned_dtype(clip)
        self.down = nn.Linear(width, width // reduction, bias=False).to(dtype)
        self.up = nn.Linear(width // reduction, width, bias=False).to(dtype)
        self.init_header()

    def forward(self, feats: CLIPFeatures) -> CLIPFeatures:
        """Replace the image features ``(B, D)``; all others stay."""
        image = feats.image
        adapted = F.relu(self.down(image.to(self.down.weight.dtype)))
        adapted = F.relu(self.up(adapted))
        return feats._replace(
            image=self.ratio * adapted + (1 - self.ratio) * image)

    def header(self) -> dict:
        """Return an empty header: the backbone's header names the CLIP."""
        return dict()

    def check_header(self, found: dict, state: dict, prefix: str) -> None:
        """Accept any header: names and shapes of the weights are checked
        elsewhere."""
