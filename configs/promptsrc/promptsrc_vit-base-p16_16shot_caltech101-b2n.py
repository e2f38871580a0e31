# PromptSRC (Khattak et al., ICCV 2023) in DePT's common recipe. The prompts
# are averaged at half the epochs of its own recipe.
# https://arxiv.org/abs/2307.06948
# python tools/train.py \
#   configs/promptsrc/promptsrc_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py',
          '../_base_/hosts/promptsrc.py']
model = _base_.promptsrc
custom_hooks = _base_.custom_hooks + [
    dict(type='GaussianPromptAveragingHook', mean=7.5, std=0.5)]
