# CLIP-Adapter (Gao et al., IJCV 2023) on drawn shapes, with the small CLIP of
# this package.
# https://arxiv.org/abs/2110.04544
# python tools/train.py configs/clip_adapter/quickstart.py
_base_ = ['../_base_/quickstart.py', '../_base_/common_recipe.py']
model = dict(neck=dict(type='CLIPAdapter', clip=_base_.clip))
