# Tip-Adapter (Zhang et al., ECCV 2022), training-free. Its code has other
# numbers for other data sets, e.g. for flowers102 model.neck.alpha=10
# custom_hooks.1.max_alpha=50 custom_hooks.1.max_beta=50.
# https://arxiv.org/abs/2207.09519
# python tools/train.py \
#   configs/tip_adapter/tip-adapter_vit-base-p16_16shot_caltech101-b2n.py
_base_ = [
    '../_base_/tip_adapter.py', '../_base_/schedules/training_free.py'
]
