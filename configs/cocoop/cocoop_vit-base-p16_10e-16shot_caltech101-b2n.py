# CoCoOp (Zhou et al., CVPR 2022) in its own recipe.
# https://arxiv.org/abs/2203.05557
# python tools/train.py \
#   configs/cocoop/cocoop_vit-base-p16_10e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/schedules/cocoop_10e.py']
model = dict(backbone=dict(prompt=dict(type='CoCoOpPrompt')))
train_dataloader = dict(batch_size=1)
