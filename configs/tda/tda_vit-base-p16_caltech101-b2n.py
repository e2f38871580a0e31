# TDA (Karmanov et al., CVPR 2024): zero-shot CLIP that adapts to the test
# images, in an order that is drawn from --seed, without labels.
# https://arxiv.org/abs/2403.18293
# python tools/test.py \
#   configs/tda/tda_vit-base-p16_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(neck=dict(type='TDA'))
custom_hooks = _base_.custom_hooks + [dict(type='TDAHook')]
