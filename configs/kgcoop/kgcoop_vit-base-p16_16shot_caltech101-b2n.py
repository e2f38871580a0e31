# KgCoOp (Yao et al., CVPR 2023) in DePT's common recipe.
# https://arxiv.org/abs/2303.13283
# python tools/train.py \
#   configs/kgcoop/kgcoop_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(
    backbone=dict(prompt=dict(type='CoOpPrompt', words='a photo of a'),
                  teacher=dict()),
    head=dict(losses=[dict(type='TextConsistencyLoss', loss_weight=2.0)]))
