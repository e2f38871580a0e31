# DePT (Zhang et al., CVPR 2024) on ATPrompt, in ATPrompt's recipe.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-atprompt_vit-base-p16_100e-16shot_caltech101-b2n.py
_base_ = ['../atprompt/atprompt_vit-base-p16_100e-16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary))
