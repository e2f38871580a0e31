# TCP (Yao et al., CVPR 2024) in its own recipe.
# https://arxiv.org/abs/2311.18231
# python tools/train.py \
#   configs/tcp/tcp_vit-base-p16_50e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/schedules/tcp_50e.py']
model = dict(
    backbone=dict(prompt=dict(type='TCPPrompt'), teacher=dict()),
    head=dict(losses=[dict(type='TextConsistencyLoss', loss_weight=8.0)]))
train_dataloader = dict(batch_size=32)
