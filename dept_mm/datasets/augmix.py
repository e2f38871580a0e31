"""AugMix: an image mixed with changed copies of itself."""
from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps

from dept_mm.errors import DeptError
from dept_mm.registry import TRANSFORMS

OPERATIONS = ('autocontrast', 'equalize', 'posterize', 'rotate', 'solarize',
              'shear_x', 'shear_y', 'translate_x', 'translate_y')
CHAINS = 3


@TRANSFORMS.register_module()
class AugMix(BaseTransform):
    """Mix an image with three chains of changes of its colour and position.

    "AugMix: A Simple Data Processing Method to Improve Robustness and
    Uncertainty" (Hendrycks et al., ICLR 2020), as in the code of TPT, which
    makes views with it on all data sets but ImageNet and its variants; its
    random numbers are drawn in the order of this code. It stands behind crop
    and flip. The image gets the type float32.

    **Modified Keys:** img (H, W, 3), uint8 in, float32 out

    Args:
        severity (float): Largest strength of a change, of 10.
            Defaults to 1.0.

    Raises:
        DeptError: If it is out of range.

    Examples:
        >>> views = dict(type='AugmentViews', transforms=[
        ...     dict(type='CLIPRandomResizedCrop', clip=_base_.clip),
        ...     dict(type='RandomFlip', prob=.5), dict(type='AugMix')])
    """

    def __init__(self, severity: float = 1.) -> None:
        if not .1 <= severity <= 10:
            raise DeptError(f'AugMix: severity is {severity}; it must be '
                            'between 0.1 and 10.')
        self.severity = severity

    def transform(self, results: dict) -> dict:
        """Mix the image."""
        image = results['img']
        weights = np.float32(np.random.dirichlet([1.] * CHAINS))
        share = np.float32(np.random.beta(1., 1.))
        mixed = sum(weight * self._chain(Image.fromarray(image))
                    for weight in weights)
        results['img'] = share * np.float32(image) + (1 - share) * mixed
        return results

    def _chain(self, image: Image.Image) -> np.ndarray:
        for _ in range(np.random.randint(1, 4)):
            name = OPERATIONS[np.random.choice(len(OPERATIONS))]
            image = self._change(image, name)
        return np.asarray(image, np.float32)

    def _change(self, image: Image.Image, name: str) -> Image.Image:
        """Change an image of any order of channels."""
        match name:
            case 'autocontrast':
                return ImageOps.autocontrast(image)
            case 'equalize':
                return ImageOps.equalize(image)
            case 'posterize':
                return ImageOps.posterize(image, 4 - int(self._draw(4)))
            case 'solarize':
                return ImageOps.solarize(image, 256 - int(self._draw(256)))
            case 'rotate':
                degrees = int(self._draw(30)) * _sign()
                return image.rotate(degrees, Image.Resampling.BILINEAR)
        # x' = x + a y + b, y' = y + c x + d
        a = b = c = d = 0
        match name:
            case 'shear_x':
                a = self._draw(.3) * _sign()
            case 'shear_y':
                c = self._draw(.3) * _sign()
            case 'translate_x':
                b = int(self._draw(image.width / 3)) * _sign()
            case 'translate_y':
                d = int(self._draw(image.height / 3)) * _sign()
        return image.transform(
            image.size, Image.Transform.AFFINE, (1, a, b, c, 1, d),
            Image.Resampling.BILINEAR)

    def _draw(self, most: float) -> float:
        """Draw a strength below ``severity`` tenths of ``most``."""
        return np.random.uniform(.1, self.severity) * most / 10

    def __repr__(self) -> str:
        return f'{type(self).__name__}(severity={self.severity})'


def _sign() -> int:
    return -1 if np.random.uniform() > .5 else 1
