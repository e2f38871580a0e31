# ADePT (Tang et al., ICLR 2025), a method from language models, on CLIP's text
# tower, in DePT's common recipe.
# https://arxiv.org/abs/2501.03291
# python tools/train.py \
#   configs/adept/adept_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(
    type='TowerPrompts',
    text=[dict(type='ADePTPrompt', num_tokens=4, rank='match:16')])))
