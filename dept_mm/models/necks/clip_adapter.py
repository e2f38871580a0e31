"""CLIP-Adapter: mix image features with those of a small learned network."""
from __future__ import annotations

from collections.abc import Mapping

from mmengine.model import BaseModule
from torch import Tensor, nn
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

    where the two layers have no biases. CoPrompt (Roy and Etemad, ICLR 2024)
    mixes class texts with those of a second network in the same way.

    Args:
        clip (Mapping): Config of the CLIP, which determines the width ``D``
            of the features and the dtype of the weights.
        reduction (int): The width between the two layers is ``D`` divided by
            this number. Defaults to 4.
        ratio (float): :math:`r`. Defaults to 0.2.
        text_ratio (float): The ratio for class texts. Defaults to 0.0, which
            leaves them as they are.

    Raises:
        DeptError: If an option is out of range.

    Examples:
        >>> neck = dict(type='CLIPAdapter', clip=_base_.clip, ratio=0.2)
    """

    def __init__(self, clip: Mapping, reduction: int = 4,
                 ratio: float = 0.2, text_ratio: float = 0.0) -> None:
        super().__init__()
        width = clip_spec(clip).embed_dim
        if not 1 <= reduction <= width:
            raise DeptError(f'CLIPAdapter: reduction is {reduction}; it must '
                            f'be between 1 and {width}, the width of the '
                            "CLIP's features.")
        for name, value in (('ratio', ratio), ('text_ratio', text_ratio)):
            if not 0 <= value <= 1:
                raise DeptError(f'CLIPAdapter: {name} is {value}; it must be '
                                'between 0 and 1.')
        self.ratio, self.text_ratio = ratio, text_ratio
        dtype, inner = learned_dtype(clip), width // reduction
        self.down = nn.Linear(width, inner, bias=False).to(dtype)
        self.up = nn.Linear(inner, width, bias=False).to(dtype)
        if text_ratio:
            self.text_down = nn.Linear(width, inner, bias=False).to(dtype)
            self.text_up = nn.Linear(inner, width, bias=False).to(dtype)
        self.init_header()

    def forward(self, feats: CLIPFeatures) -> CLIPFeatures:
        """Replace the image features ``(B, D)`` and, if asked for, the texts;
        all others stay."""
        if self.text_ratio:
            feats = feats._replace(text=_mix(
                feats.text, self.text_down, self.text_up, self.text_ratio))
        return feats._replace(image=_mix(feats.image, self.down, self.up,
                                         self.ratio))

    def header(self) -> dict:
        """Return an empty header: the backbone's header names the CLIP."""
        return dict()

    def check_header(self, found: dict, state: dict, prefix: str) -> None:
        """Accept any header: names and shapes of the weights are checked
        elsewhere."""


def _mix(x: Tensor, down: nn.Linear, up: nn.Linear, ratio: float) -> Tensor:
    """Mix features ``(..., D)`` with what two layers make of them."""
    adapted = F.relu(up(F.relu(down(x.to(down.weight.dtype)))))
    return ratio * adapted + (1 - ratio) * x
