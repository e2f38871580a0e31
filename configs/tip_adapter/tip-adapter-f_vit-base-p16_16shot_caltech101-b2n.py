# Tip-Adapter-F (Zhang et al., ECCV 2022) in its own recipe; numbers of other
# data sets as in Tip-Adapter's config.
# https://arxiv.org/abs/2207.09519
# python tools/train.py \
#   configs/tip_adapter/tip-adapter-f_vit-base-p16_16shot_caltech101-b2n.py
_base_ = [
    '../_base_/tip_adapter.py', '../_base_/schedules/tip_adapter_f_20e.py'
]
model = dict(neck=dict(trainable=True))
train_dataloader = dict(batch_size=256)
