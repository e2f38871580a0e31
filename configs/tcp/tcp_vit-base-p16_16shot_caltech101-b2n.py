# TCP (Yao et al., CVPR 2024) in DePT's common recipe.
# https://arxiv.org/abs/2311.18231
# python tools/train.py configs/tcp/tcp_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(
    backbone=dict(prompt=dict(type='TCPPrompt'), teacher=dict()),
    head=dict(losses=[dict(type='TextConsistencyLoss', loss_weight=8.0)]))
