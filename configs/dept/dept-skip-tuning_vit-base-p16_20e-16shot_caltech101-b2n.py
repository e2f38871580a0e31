# DePT (Zhang et al., CVPR 2024) on Skip Tuning, in Skip Tuning's recipe.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-skip-tuning_vit-base-p16_20e-16shot_caltech101-b2n.py
_base_ = [
    '../skip_tuning/skip-tuning_vit-base-p16_20e-16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary))
