# DePT (Zhang et al., CVPR 2024) on KgCoOp, in its recipe for all hosts and in
# clean numerics.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-kgcoop_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../kgcoop/kgcoop_vit-base-p16_16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary))
