# TCP, batch 32, in fp32; the large eps is the public code's. DePT's head, if
# there is one, learns at 6.5 times the rate.
optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=0.002, eps=1e-3, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=6.5)}))
param_scheduler = [
    dict(type='AbsoluteWarmupLR', lr=1e-5, end=1),
    dict(type='CosineAnnealingLR', T_max=50, begin=1),
]
train_cfg = dict(by_epoch=True, max_epochs=50, val_interval=50)
auto_scale_lr = dict(base_batch_size=32)
