# CLIP-LoRA (Zanella and Ben Ayed, CVPR workshops 2024) in DePT's common
# recipe.
# https://arxiv.org/abs/2405.18541
# python tools/train.py \
#   configs/clip_lora/clip-lora_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(type='CLIPLoRA')))
