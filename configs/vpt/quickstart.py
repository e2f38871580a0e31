# VPT (Jia et al., ECCV 2022) on drawn shapes, with the small CLIP of this
# package.
# https://arxiv.org/abs/2203.12119
# python tools/train.py configs/vpt/quickstart.py
_base_ = ['../_base_/quickstart.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(
    type='IVLPPrompt', num_text_tokens=0, num_image_tokens=8, image_depth=3)))
