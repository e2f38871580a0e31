# VPT (Jia et al., ECCV 2022), deep prompts in the image tower, in DePT's
# common recipe.
# https://arxiv.org/abs/2203.12119
# python tools/train.py configs/vpt/vpt_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(
    type='IVLPPrompt', num_text_tokens=0, num_image_tokens=8, image_depth=12)))
