# MaPLe (Khattak et al., CVPR 2023) in its own recipe from ImageNet to four
# data sets of its classes.
# https://arxiv.org/abs/2210.03117
# python tools/train.py \
#   configs/maple/maple_vit-base-p16_2e-16shot_imagenet-dg.py
_base_ = ['../_base_/domain_generalization.py',
          '../_base_/schedules/maple_2e.py']
model = dict(backbone=dict(prompt=dict(type='MaPLePrompt', depth=3)))
