# DePT (Zhang et al., CVPR 2024) on CoOp in the numerics of its public code:
# pure fp16, or fp32 without a GPU.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-coop_vit-base-p16_paper-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/schedules/dept_paper_10e.py']
precision = dict(precision='pure_fp16')
model = dict(
    backbone=dict(
        clip=precision, prompt=dict(type='CoOpPrompt', num_tokens=16)),
    head=dict(type='DePTHead', vocabulary=_base_.vocabulary,
              clip=dict(_base_.clip, **precision)))
