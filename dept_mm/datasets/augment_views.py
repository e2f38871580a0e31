"""Many views of an image, on which prompts are tuned at test time."""
from __future__ import annotations

from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from dept_mm.errors import DeptError
from dept_mm.registry import TRANSFORMS

KEY = 'augmented_imgs'


@TRANSFORMS.register_module()
class AugmentViews(BaseTransform):
    """Make random views of the image, which ``TPT`` tunes prompts on.

    It stands behind the loading of the image and before what makes the image
    that is scored; ``PackViews`` ends the pipeline::

        [dict(type='LoadRGBImage'),
         dict(type='AugmentViews', transforms=[
             dict(type='CLIPRandomResizedCrop', clip=clip),
             dict(type='RandomFlip', prob=.5)]),
         dict(type='CLIPResizeCenterCrop', clip=clip),
         dict(type='PackViews')]

    With an ``EpochSampler``, also in a test, views depend on the seed of the
    run and the index of the image alone.

    **Required Keys:** img

    **Added Keys:** augmented_imgs

    Args:
        transforms (Sequence[dict]): What makes a view. They see a copy of the
            sample; of what they change the image alone is kept.
        num_views (int): How many. Defaults to 63, which with the image itself
            are the 64 of TPT's code.

    Raises:
        DeptError: If there is to be no view.
    """

    def __init__(self, transforms: Sequence[dict], num_views: int = 63
                 ) -> None:
        if num_views < 1:
            raise DeptError(f'AugmentViews: num_views is {num_views}; it must '
                            'be at least 1.')
        self.transforms = Compose(list(transforms))
        self.num_views = num_views

    def transform(self, results: dict) -> dict:
        """Add the views."""
        image = results['img']
        return dict(results, **{KEY: [
            self.transforms(dict(results, img=image.copy()))['img']
            for _ in range(self.num_views)]})

    def __repr__(self) -> str:
        return (f'{type(self).__name__}({self.transforms}, '
                f'num_views={self.num_views})')
