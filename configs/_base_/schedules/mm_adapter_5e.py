# The schedule of MultiModalAdapter, for batch size 16: no warm-up.
_base_ = 'warmup_cosine.py'
optim_wrapper = dict(optimizer=dict(lr=0.0015))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=5)]
train_cfg = dict(max_epochs=5, val_interval=5)
auto_scale_lr = dict(base_batch_size=16)
