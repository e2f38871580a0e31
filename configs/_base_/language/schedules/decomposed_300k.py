# The schedule of the checkpoint for Natural Questions in the public code of
# Decomposed Prompt Tuning: offsets learn at 1e-4.
_base_ = 'decomposed_40k.py'
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'offset_': dict(lr_mult=1e-4 / 0.3)}))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.002, by_epoch=False, end=500),
    dict(type='LinearLR', start_factor=1., end_factor=0., by_epoch=False,
         begin=500, end=300000),
]
train_cfg = dict(max_iters=300000)
