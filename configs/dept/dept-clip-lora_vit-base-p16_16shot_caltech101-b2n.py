# DePT (Zhang et al., CVPR 2024) on CLIP-LoRA, in the common recipe.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-clip-lora_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../clip_lora/clip-lora_vit-base-p16_16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary))
