# The schedule of MaPLe across data sets, for batch size 4 and depth 3.
_base_ = 'ivlp_5e.py'
optim_wrapper = dict(optimizer=dict(lr=0.0026))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=2, begin=1),
]
train_cfg = dict(max_epochs=2, val_interval=2)
