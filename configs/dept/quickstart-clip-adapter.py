# DePT (Zhang et al., CVPR 2024) on CLIP-Adapter, on drawn shapes, with the
# small CLIP of this package.
# https://arxiv.org/abs/2309.07439
# python tools/train.py configs/dept/quickstart-clip-adapter.py
_base_ = ['../clip_adapter/quickstart.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary))
