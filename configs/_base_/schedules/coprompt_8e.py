# The schedule of CoPrompt, for batch size 4.
_base_ = 'warmup_cosine.py'
optim_wrapper = dict(optimizer=dict(lr=0.0035))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=8, begin=1),
]
train_cfg = dict(max_epochs=8, val_interval=8)
auto_scale_lr = dict(base_batch_size=4)
