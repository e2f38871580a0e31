"""An image tower of timm in the place of a CLIP."""
from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property

import timm
import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip.feature_clip import FeatureCLIP
from dept_mm.models.clip.frozen_clip import weights_digest
from dept_mm.models.clip.spec import CLIPSpec
from dept_mm.registry import MODELS


@MODELS.register_module(name='timm')
class TimmImages(FeatureCLIP):
    """Encode images by a frozen model of timm, which knows no texts.

    It serves linear probes, or, with text features from elsewhere, all that
    trains with ``FeatureCLIP``. Images are cut as for a CLIP: the shorter
    side becomes the image size, without timm's ``crop_pct``.

    Args:
        model (str): A name of ``timm.list_models()``.
        pretrained (bool | str): Whether to load timm's weights, or a file of
            weights. Defaults to True.
        projection (bool): Whether to keep the last layer, which is the
            projection of a CLIP (``vit_base_patch16_clip_224.openai``) and
            the classifier of others. Defaults to False.
        text (Mapping, optional): See ``FeatureCLIP``.
        logit_scale (float, optional): See ``FeatureCLIP``.

    Raises:
        DeptError: If timm cannot build it, or its images are not square.

    Examples:
        >>> clip = dict(type='timm', model='vit_small_patch16_224.dino')
    """

    def __init__(self, model: str, pretrained: bool | str = True,
                 projection: bool = False, text: Mapping | None = None,
                 logit_scale: float | None = None) -> None:
        spec = self.read_spec(model, projection=projection)
        super().__init__(text, spec.embed_dim, logit_scale, f'timm:{model}')
        self.spec = spec
        self.model = create(model, pretrained, projection
                            ).requires_grad_(False).eval()

    @classmethod
    def read_spec(cls, model: str, pretrained: bool | str = True,
                  projection: bool = False, **options) -> CLIPSpec:
        """Look up sizes and preprocessing without the weights."""
        return _spec(model, projection)

    def train(self, mode: bool = True) -> TimmImages:
        """Stay in eval mode, as a ``FrozenCLIP``."""
        return super().train(False)

    @cached_property
    def digest(self) -> str:
        """Sha256 of the weights."""
        return weights_digest(self.model)

    @property
    def identity(self) -> dict:
        """What a checkpoint must know about it, in JSON types."""
        return dict(name=self.name, sha256=self.digest, preprocessing=dict(
            embed_dim=self.spec.embed_dim, image_size=self.spec.image_size))

    @property
    def architecture(self) -> dict:
        """Name and width, which tell its towers from others."""
        return dict(timm=self.name, width=self.spec.embed_dim)

    def encode_image(self, images: Tensor, *_) -> Tensor:
        """Encode ``(B, 3, H, W)`` to ``(B, D)``."""
        return self.model(images)


def create(model: str, pretrained: bool | str, projection: bool
           ) -> nn.Module:
    """Create a timm model that gives features.

    Raises:
        DeptError: If timm does not know it or its weights.
    """
    options = dict() if projection else dict(num_classes=0)
    if isinstance(pretrained, str):
        options['pretrained_cfg_overlay'] = dict(file=pretrained)
    try:
        return timm.create_model(model, pretrained=bool(pretrained),
                                 **options)
    except Exception as error:  # whatever a name or a file leads to
        raise DeptError(f"clip=dict(type='timm'): {model!r} with pretrained="
                        f'{pretrained!r} cannot be built: {error}. '
                        'timm.list_models() names all.') from error


@cache
def _spec(model: str, projection: bool) -> CLIPSpec:
    with torch.device('meta'):
        tower = create(model, False, projection)
        config = resolve_model_data_config(tower)
        _, height, width = config['input_size']
        if height != width:
            raise DeptError(f'timm:{model} takes images of {height} x '
                            f'{width}; only square inputs work here.')
        size = tower(torch.zeros(1, 3, height, width)).shape[-1]
    return CLIPSpec(size, width, tuple(config['mean']), tuple(config['std']),
                    config['interpolation'])
