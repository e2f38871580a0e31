# CLIP-LoRA (Zanella and Ben Ayed, CVPR workshops 2024) in its own recipe, on
# all classes.
# https://arxiv.org/abs/2405.18541
# python tools/train.py \
#   configs/clip_lora/clip-lora_vit-base-p16_8k-16shot_caltech101-fewshot.py
_base_ = ['../_base_/few_shot.py', '../_base_/schedules/clip_lora_8k.py']
model = dict(backbone=dict(prompt=dict(type='CLIPLoRA')))
train_dataloader = dict(batch_size=32)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=1000))
