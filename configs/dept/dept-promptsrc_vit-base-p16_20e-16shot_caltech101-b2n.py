# DePT (Zhang et al., CVPR 2024) on PromptSRC as in the one public trace,
# CoAPT's code: losses 0.6 and 0.7, that is a weight of 0.54 (here they sum to
# 1), fusion 0.7, 6 times the rate for the head.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-promptsrc_vit-base-p16_20e-16shot_caltech101-b2n.py
_base_ = ['../promptsrc/promptsrc_vit-base-p16_20e-16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary,
    loss_weight=0.54))
