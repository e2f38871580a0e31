# Late Prompt Tuning's schedule for all data: 32 examples a step, 6 % warm-up.
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.1),
    paramwise_cfg=dict(bias_decay_mult=0., norm_decay_mult=0.),
    clip_grad=dict(max_norm=1.0), accumulative_counts=4)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=0.6,
         convert_to_iter_based=True),
    dict(type='LinearLR', start_factor=1., end_factor=0., begin=0.6, end=10,
         convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=1)
