"""A view of the image for the teacher alone."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose
from mmpretrain.datasets import PackInputs

from dept_mm.registry import TRANSFORMS
from dept_mm.structures import AugmentedViews, Views

from .augment_views import KEY as AUGMENTED

KEY = 'teacher_img'


@TRANSFORMS.register_module()
class TeacherView(BaseTransform):
    """Make a second view of the image, which the teacher sees.

    It stands behind the loading of the image and before what makes the first
    view; ``PackViews`` ends the pipeline. A backbone with
    ``teacher=dict(image=True)`` then encodes this view for the teacher, for
    instance the centre crop where the model is trained on random ones::

        [dict(type='LoadRGBImage'),
         dict(type='TeacherView', transforms=[
             dict(type='CLIPResizeCenterCrop', clip=clip)]),
         dict(type='CLIPRandomResizedCrop', clip=clip),
         dict(type='PackViews')]

    **Required Keys:** img

    **Added Keys:** teacher_img

    Args:
        transforms (Sequence[dict]): What makes the view. They see a copy of
            the sample; of what they change the image alone is kept.
    """

    def __init__(self, transforms: Sequence[dict]) -> None:
        self.transforms = Compose(list(transforms))

    def transform(self, results: dict) -> dict:
        """Add the view."""
        copy = dict(results, img=results['img'].copy())
        return dict(results, **{KEY: self.transforms(copy)['img']})

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transforms})'


@TRANSFORMS.register_module()
class PackViews(PackInputs):
    """MMPretrain's ``PackInputs``, which packs the teacher's view as well,
    or the views that ``AugmentViews`` made.

    A sample without them is packed as ``PackInputs`` does.

    Args:
        **kwargs: Of ``PackInputs``.
    """

    def transform(self, results: dict) -> dict:
        """``inputs`` are ``Views`` where there are two, ``AugmentedViews``
        where there are many."""
        packed = super().transform(results)
        if KEY in results:
            packed['inputs'] = Views(packed['inputs'],
                                     self.format_input(results[KEY]))
        if AUGMENTED in results:
            packed['inputs'] = AugmentedViews(packed['inputs'], torch.stack([
                self.format_input(view) for view in results[AUGMENTED]]))
        return packed
