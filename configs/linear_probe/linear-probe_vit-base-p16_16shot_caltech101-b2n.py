# A linear probe of CLIP (Radford et al., ICML 2021) in the recipe of DePT's
# linear head. It cannot recognise new classes.
# https://arxiv.org/abs/2103.00020
# python tools/train.py \
#   configs/linear_probe/linear-probe_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(
    backbone=dict(_delete_=True, type='PromptedCLIP', clip=_base_.clip),
    head=dict(type='LinearProbeHead', clip=_base_.clip,
              vocabulary=_base_.vocabulary))
val_dataloader = test_dataloader = dict(dataset=dict(task='base'))
