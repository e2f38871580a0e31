# DePT (Zhang et al., CVPR 2024) on Skip Tuning, in Skip Tuning's recipe. Its
# rate suits pretrained weights, so the head has the one that it has elsewhere,
# 0.013.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-skip-tuning_vit-base-p16_20e-16shot_caltech101-b2n.py
_base_ = [
    '../skip_tuning/skip-tuning_vit-base-p16_20e-16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(
    head=dict(lr_mult=650.))))
