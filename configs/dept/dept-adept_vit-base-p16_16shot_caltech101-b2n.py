# DePT (Zhang et al., CVPR 2024) on ADePT, which its code does not have: the
# common recipe.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-adept_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../adept/adept_vit-base-p16_16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary))
