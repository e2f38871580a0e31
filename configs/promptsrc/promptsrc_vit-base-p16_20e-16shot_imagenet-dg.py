# PromptSRC (Khattak et al., ICCV 2023) in its own recipe from ImageNet to four
# data sets of its classes.
# https://arxiv.org/abs/2307.06948
# python tools/train.py \
#   configs/promptsrc/promptsrc_vit-base-p16_20e-16shot_imagenet-dg.py
_base_ = ['../_base_/domain_generalization.py',
          '../_base_/schedules/promptsrc_20e.py',
          '../_base_/hosts/promptsrc_depth3.py']
model = _base_.promptsrc
custom_hooks = _base_.custom_hooks + [
    dict(type='GaussianPromptAveragingHook', mean=6, std=10)]
