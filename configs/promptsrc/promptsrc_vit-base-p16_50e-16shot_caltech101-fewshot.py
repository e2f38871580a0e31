# PromptSRC (Khattak et al., ICCV 2023) in its own recipe for all classes.
# Cars, Flowers, Aircraft, DTD and EuroSAT have mean 45 and std 5.
# https://arxiv.org/abs/2307.06948
# python tools/train.py \
#   configs/promptsrc/promptsrc_vit-base-p16_50e-16shot_caltech101-fewshot.py
_base_ = ['../_base_/few_shot.py', '../_base_/schedules/promptsrc_50e.py',
          '../_base_/hosts/promptsrc.py']
model = _base_.promptsrc
custom_hooks = _base_.custom_hooks + [
    dict(type='GaussianPromptAveragingHook', mean=30, std=30)]
