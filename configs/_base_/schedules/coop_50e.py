# The schedule of CoOp on ImageNet in CoCoOp's experiments, for batch size 32.
_base_ = 'warmup_cosine.py'
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=50, begin=1),
]
train_cfg = dict(max_epochs=50, val_interval=50)
auto_scale_lr = dict(base_batch_size=32)
