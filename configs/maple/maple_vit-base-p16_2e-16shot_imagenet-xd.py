# MaPLe (Khattak et al., CVPR 2023) in its own recipe from ImageNet to ten
# other data sets.
# https://arxiv.org/abs/2210.03117
# python tools/train.py \
#   configs/maple/maple_vit-base-p16_2e-16shot_imagenet-xd.py
_base_ = ['../_base_/cross_dataset.py', '../_base_/schedules/maple_2e.py']
model = dict(backbone=dict(prompt=dict(type='MaPLePrompt', depth=3)))
