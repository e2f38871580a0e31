# DePT (Zhang et al., CVPR 2024) on MMRL, in MMRL's recipe. The similarity loss
# of the class token weighs 0.7 in MMRL, of which DePT leaves 0.3.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-mmrl_vit-base-p16_10e-16shot_caltech101-b2n.py
_base_ = ['../mmrl/mmrl_vit-base-p16_10e-16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary,
    loss=dict(loss_weight=1.0), similarity_weight=0.21))
