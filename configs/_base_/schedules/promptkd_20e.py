# The schedule of PromptKD, for batch size 8.
_base_ = 'ivlp_5e.py'
optim_wrapper = dict(optimizer=dict(lr=0.005))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=20, begin=1),
]
train_cfg = dict(max_epochs=20, val_interval=20)
auto_scale_lr = dict(base_batch_size=8)
