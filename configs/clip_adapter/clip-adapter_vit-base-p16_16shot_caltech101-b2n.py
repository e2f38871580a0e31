# CLIP-Adapter (Gao et al., IJCV 2023) in DePT's common recipe.
# https://arxiv.org/abs/2110.04544
# python tools/train.py \
#   configs/clip_adapter/clip-adapter_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(neck=dict(type='CLIPAdapter', clip=_base_.clip))
