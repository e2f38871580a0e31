"""Which parts of an image speak for a class, by Grad-CAM."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from dept_mm.apis import TunedModel
from dept_mm.apis._batches import Images, make_loader
from dept_mm.apis.sources import find_images
from dept_mm.errors import DeptError

Reshape = Callable[[Tensor], Tensor] | None


class Saliency(NamedTuple):
    """What speaks for a class in an image.

    Attributes:
        name (str): The class.
        probability (float): Its probability.
        image (np.ndarray): The image as the model sees it: RGB, uint8,
            ``(H, W, 3)``.
        weight (np.ndarray): How much each pixel speaks for the class, from 0
            to 1, ``(H, W)``.
        overlay (np.ndarray): Both as one picture: RGB, uint8, ``(H, W, 3)``.
    """
    name: str
    probability: float
    image: np.ndarray
    weight: np.ndarray
    overlay: np.ndarray


def explain_image(model: TunedModel, image: Images, name: str | None = None
                  ) -> Saliency:
    """Compute which parts of an image speak for a class.

    "Grad-CAM" (Selvaraju et al., ICCV 2017), as the package grad-cam computes
    it: of a CNN, on its last feature map; of a ViT, on the patches at the
    first norm of the last block.

    Args:
        model (TunedModel): The model.
        image: One image, in any form of ``TunedModel``.
        name (str, optional): A class; one that the model does not score yet
            is added. Defaults to the likeliest.

    Raises:
        DeptError: If grad-cam is missing, the image cannot be read, it is not
            one image, or the image tower has neither patches nor feature
            maps.
    """
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.image import show_cam_on_image
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError as error:
        raise DeptError('Saliency needs the package grad-cam: pip install '
                        '"grad-cam>=1.4,<1.5"') from error
    images = find_images(image)
    if len(images) != 1:
        raise DeptError(f'Give one image; there are {len(images)}.')
    batch, = make_loader(model.config, images, 1)
    if batch.unreadable:
        raise DeptError(batch.unreadable[0].reason)
    if name is not None and name not in model.classes:
        model = model.with_classes([name], also=True)
    backbone = model.module.backbone
    if getattr(backbone, 'vocabulary', None) is not None:
        # Tensors that were kept in inference mode take no gradients.
        backbone.set_vocabulary(backbone.vocabulary)
    inputs = model.prepare(batch.data)
    with torch.no_grad():
        score = model.score(inputs)[0]
    label = int(score.argmax()) if name is None else model.classes.index(name)
    layer, reshape = find_layer(model, inputs)
    with GradCAM(_Logits(model), [layer], reshape_transform=reshape) as cam:
        weight = cam(inputs, [ClassifierOutputTarget(label)])[0]
    pixels = batch.data['inputs'][0].flip(0).permute(1, 2, 0).numpy()
    return Saliency(
        model.classes[label], float(score[label]), pixels, weight,
        show_cam_on_image(pixels.astype(np.float32) / 255, weight,
                          use_rgb=True))


class _Logits(nn.Module):
    """The logits of a model, with gradients through its frozen tower."""

    def __init__(self, model: TunedModel) -> None:
        super().__init__()
        self.module, self._logits = model.module, model.logits

    def forward(self, inputs: Tensor) -> Tensor:
        # No weight of the tower requires a gradient, so that the image must.
        return self._logits(inputs.detach().requires_grad_())


def find_layer(model: TunedModel, inputs: Tensor
               ) -> tuple[nn.Module, Reshape]:
    """Find the layer to look at, and what makes a feature map of its output.

    Args:
        model (TunedModel): The model.
        inputs (Tensor): A batch for it, ``(B, 3, H, W)``.

    Raises:
        DeptError: If there is none.
    """
    backbone = model.module.backbone
    tower = getattr(getattr(backbone, 'clip', None), 'model', None)
    tower = backbone if tower is None else tower.visual
    if isinstance(tower, VisionTransformer):
        grid = tower.grid_size

        def make_map(tokens: Tensor) -> Tensor:
            # Behind the class token; behind the patches stand prompts.
            patches = tokens[:, 1:1 + grid[0] * grid[1]]
            return patches.transpose(1, 2).unflatten(2, grid)

        return tower.transformer.resblocks[-1].ln_1, make_map
    maps: list[nn.Module] = []

    def note(module: nn.Module, given: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and (
                output.shape[-1] > 1):
            maps.append(module)

    handles = [m.register_forward_hook(note) for m in tower.modules()]
    try:
        with torch.no_grad():
            model.logits(inputs)
    finally:
        for handle in handles:
            handle.remove()
    if not maps:
        raise DeptError(f'{type(tower).__name__} has neither the patches of '
                        "open_clip's ViT nor feature maps.")
    return maps[-1], None
