# PromptSRC (Khattak et al., ICCV 2023) on drawn shapes, with the small CLIP of
# this package.
# https://arxiv.org/abs/2307.06948
# python tools/train.py configs/promptsrc/quickstart.py
_base_ = ['../_base_/quickstart.py', '../_base_/common_recipe.py',
          '../_base_/hosts/promptsrc_depth3.py']
model = _base_.promptsrc
custom_hooks = _base_.custom_hooks + [
    dict(type='GaussianPromptAveragingHook', mean=7.5, std=0.5)]
