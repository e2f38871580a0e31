# CLIP (Radford et al., ICML 2021) as it is, with an ensemble of eight
# sentences.
# https://arxiv.org/abs/2103.00020
# python tools/test.py \
#   configs/zero_shot/zero-shot-ensemble_vit-base-p16_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py',
          '../_base_/templates/ensemble.py']
model = dict(backbone=dict(templates=_base_.templates))
