# CoOp (Zhou et al., IJCV 2022) from ImageNet to four data sets of its
# classes, as in the experiments of CoCoOp.
# https://arxiv.org/abs/2109.01134
# python tools/train.py \
#   configs/coop/coop_vit-base-p16_50e-16shot_imagenet-dg.py
_base_ = ['../_base_/domain_generalization.py',
          '../_base_/schedules/coop_50e.py']
model = dict(
    backbone=dict(prompt=dict(type='CoOpPrompt', words='a photo of a')))
train_dataloader = dict(batch_size=32)
