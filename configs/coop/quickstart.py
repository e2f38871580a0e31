# CoOp (Zhou et al., IJCV 2022) on drawn shapes, with the small CLIP of this
# package.
# https://arxiv.org/abs/2109.01134
# python tools/train.py configs/coop/quickstart.py
_base_ = ['../_base_/quickstart.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(type='CoOpPrompt', num_tokens=16)))
