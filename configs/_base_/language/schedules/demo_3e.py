# One schedule for all methods, in which offsets learn ten times slower.
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.),
    paramwise_cfg=dict(custom_keys={'offset_': dict(lr_mult=0.1)}),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=0.3,
         convert_to_iter_based=True),
    dict(type='LinearLR', start_factor=1., end_factor=0., begin=0.3, end=3,
         convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=3)
