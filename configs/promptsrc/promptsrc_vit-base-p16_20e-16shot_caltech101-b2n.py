# PromptSRC (Khattak et al., ICCV 2023) in its own recipe from base to new
# classes.
# https://arxiv.org/abs/2307.06948
# python tools/train.py \
#   configs/promptsrc/promptsrc_vit-base-p16_20e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/schedules/promptsrc_20e.py',
          '../_base_/hosts/promptsrc.py']
model = _base_.promptsrc
custom_hooks = _base_.custom_hooks + [
    dict(type='GaussianPromptAveragingHook', mean=15, std=1)]
