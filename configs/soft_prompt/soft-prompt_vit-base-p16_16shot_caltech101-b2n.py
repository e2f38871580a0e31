# Soft prompts (Lester et al., EMNLP 2021), a method from language models, on
# CLIP's text tower, in DePT's common recipe.
# https://arxiv.org/abs/2104.08691
# python tools/train.py \
#   configs/soft_prompt/soft-prompt_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(
    type='TowerPrompts',
    text=[dict(type='SoftPrompt', num_tokens=4)])))
