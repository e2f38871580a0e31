# The schedule of VPT and IVLP in MaPLe's experiments, for batch size 4.
_base_ = 'warmup_cosine.py'
optim_wrapper = dict(optimizer=dict(lr=0.0025))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=5, begin=1),
]
train_cfg = dict(max_epochs=5, val_interval=5)
auto_scale_lr = dict(base_batch_size=4)
