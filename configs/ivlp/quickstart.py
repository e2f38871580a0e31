# IVLP, a baseline of MaPLe (Khattak et al., CVPR 2023), on drawn shapes, with
# the small CLIP of this package.
# https://arxiv.org/abs/2210.03117
# python tools/train.py configs/ivlp/quickstart.py
_base_ = ['../_base_/quickstart.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(
    type='IVLPPrompt', num_text_tokens=2, num_image_tokens=2,
    text_depth=3, image_depth=3)))
