# MaPLe (Khattak et al., CVPR 2023) on drawn shapes, with the small CLIP of
# this package.
# https://arxiv.org/abs/2210.03117
# python tools/train.py configs/maple/quickstart.py
_base_ = ['../_base_/quickstart.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(type='MaPLePrompt', depth=3)))
