# CoOp (Zhou et al., IJCV 2022) from base to new classes, as in the experiments
# of CoCoOp.
# https://arxiv.org/abs/2109.01134
# python tools/train.py \
#   configs/coop/coop_vit-base-p16_200e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/schedules/coop_200e.py']
model = dict(
    backbone=dict(prompt=dict(type='CoOpPrompt', words='a photo of a')))
train_dataloader = dict(batch_size=32)
