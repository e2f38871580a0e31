# DePT (Zhang et al., CVPR 2024) on Decomposed prompts, in the common recipe.
# The public code of DePT does not have this host.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-decomposed_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../decomposed/decomposed_vit-base-p16_16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary))
