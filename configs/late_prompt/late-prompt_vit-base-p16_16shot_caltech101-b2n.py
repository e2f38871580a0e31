# Late prompts (Liu et al., Findings of EMNLP 2022), a method from language
# models, on CLIP's text tower, in DePT's common recipe. Late tokens are hidden
# states, which are far larger than words, so they learn ten times as fast.
# https://arxiv.org/abs/2210.11292
# python tools/train.py \
#   configs/late_prompt/late-prompt_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(
    type='TowerPrompts',
    text=[dict(type='LatePrompt', layer=6, num_tokens=4)])))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(late_=dict(lr_mult=10.))))
