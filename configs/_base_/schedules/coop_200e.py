# CoOp's schedule in CoCoOp's experiments, batch size 32 (ImageNet: coop_50e).
_base_ = 'warmup_cosine.py'
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=200, begin=1),
]
train_cfg = dict(max_epochs=200, val_interval=200)
auto_scale_lr = dict(base_batch_size=32)
