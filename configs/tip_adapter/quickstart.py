# Tip-Adapter (Zhang et al., ECCV 2022) on drawn shapes, with the small CLIP of
# this package. One view is enough: the pipeline does not augment.
# https://arxiv.org/abs/2207.09519
# python tools/train.py configs/tip_adapter/quickstart.py
_base_ = ['../_base_/quickstart.py', '../_base_/schedules/training_free.py']
model = dict(neck=dict(
    type='TipAdapter', clip=_base_.clip, vocabulary=_base_.vocabulary,
    num_shots=16))
custom_hooks = _base_.custom_hooks + [
    dict(type='TipAdapterHook', pipeline=_base_.test_pipeline, views=1)]
