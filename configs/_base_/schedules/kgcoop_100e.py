# KgCoOp's schedule, for batch size 128 and TextConsistencyLoss of weight 8.
_base_ = 'warmup_cosine.py'
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=100, begin=1),
]
train_cfg = dict(max_epochs=100, val_interval=100)
auto_scale_lr = dict(base_batch_size=128)
