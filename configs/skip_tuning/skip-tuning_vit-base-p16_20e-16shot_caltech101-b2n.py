# Skip Tuning (Wu et al., CVPR 2025) in its own recipe: the upper half of both
# towers is tuned, and each step scores a sample of the classes. On ImageNet,
# SUN397 and Food101 it trains 5 epochs.
# https://arxiv.org/abs/2412.11509
# python tools/train.py \
#   configs/skip_tuning/skip-tuning_vit-base-p16_20e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py',
          '../_base_/{{$DEPT_RECIPE:schedules/skip_tuning_20e}}.py']
model = dict(backbone=dict(prompt=dict(type='TunedBlocks', first_block=7)))
custom_hooks = _base_.custom_hooks + [dict(type='ClassSampleHook')]
