# A probe on drawn shapes, with the small CLIP of this package: Gaussian
# discriminant analysis (Wang et al., ICLR 2024). docs/hosts.md lists others,
# e.g. --cfg-options model.neck.type=LinearProbe.
# https://arxiv.org/abs/2402.04087
# python tools/train.py configs/probes/quickstart.py
_base_ = ['../_base_/quickstart.py', '../_base_/schedules/training_free.py']
model = dict(neck=dict(
    type='GDAProbe', clip=_base_.clip, vocabulary=_base_.vocabulary))
custom_hooks = _base_.custom_hooks + [
    dict(type='ProbeHook', pipeline=_base_.test_pipeline)]
