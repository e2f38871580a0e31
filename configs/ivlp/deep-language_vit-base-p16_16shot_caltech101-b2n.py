# Deep prompts in the text tower alone, a baseline of MaPLe (Khattak et al.,
# CVPR 2023), in DePT's common recipe.
# https://arxiv.org/abs/2210.03117
# python tools/train.py \
#   configs/ivlp/deep-language_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(
    type='IVLPPrompt', num_image_tokens=0, num_text_tokens=4, text_depth=12)))
