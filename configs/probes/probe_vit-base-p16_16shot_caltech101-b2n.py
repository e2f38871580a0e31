# A probe on CLIP ViT-B/16: Gaussian discriminant analysis (Wang et al., ICLR
# 2024). docs/hosts.md lists others, e.g. model.neck.type=LinearProbe.
# https://arxiv.org/abs/2402.04087
# python tools/train.py \
#   configs/probes/probe_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/schedules/training_free.py']
model = dict(neck=dict(
    type='GDAProbe', clip=_base_.clip, vocabulary=_base_.vocabulary))
train_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
custom_hooks = _base_.custom_hooks + [
    dict(type='ProbeHook', pipeline=_base_.test_pipeline)]
