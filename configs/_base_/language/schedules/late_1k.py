# The schedule of Late Prompt Tuning for few examples: a warm-up of 6 %.
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.1),
    paramwise_cfg=dict(bias_decay_mult=0., norm_decay_mult=0.),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 60, by_epoch=False, end=60),
    dict(type='LinearLR', start_factor=1., end_factor=0., by_epoch=False,
         begin=60, end=1000),
]
train_cfg = dict(by_epoch=False, max_iters=1000, val_interval=100)
