# VPT (Jia et al., ECCV 2022), prompts in front of the image tower, in DePT's
# common recipe.
# https://arxiv.org/abs/2203.12119
# python tools/train.py \
#   configs/vpt/vpt-shallow_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['vpt_vit-base-p16_16shot_caltech101-b2n.py']
model = dict(backbone=dict(prompt=dict(image_depth=1)))
