# The schedule of ADePT's public code: offsets learn at 1e-4. Its option for
# weight decay is parsed but has no effect.
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=0.3, eps=1e-6, weight_decay=0.),
    paramwise_cfg=dict(custom_keys={'offset_': dict(lr_mult=1e-4 / 0.3)}))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.002, by_epoch=False, end=500),
    dict(type='LinearLR', start_factor=1., end_factor=0., by_epoch=False,
         begin=500, end=30000),
]
train_cfg = dict(by_epoch=False, max_iters=30000, val_interval=1000)
