# CoOp (Zhou et al., IJCV 2022) in its own recipe: 16 words, all classes.
# https://arxiv.org/abs/2109.01134
# python tools/train.py \
#   configs/coop/coop_vit-base-p16_200e-16shot_caltech101-fewshot.py
_base_ = ['../_base_/few_shot.py', '../_base_/schedules/coop_200e.py']
model = dict(backbone=dict(prompt=dict(type='CoOpPrompt', num_tokens=16)))
train_dataloader = dict(batch_size=32)
