# The schedule of CLIP-LoRA, for batch size 32: 500 steps for each of 16 shots,
# whatever the data set.
_base_ = 'warmup_cosine.py'
optim_wrapper = dict(optimizer=dict(
    _delete_=True, type='AdamW', lr=2e-4, weight_decay=0.01))
param_scheduler = [dict(
    type='CosineAnnealingLR', by_epoch=False, T_max=8000, eta_min=1e-6)]
train_cfg = dict(_delete_=True, by_epoch=False, max_iters=8000,
                 val_interval=8000)
auto_scale_lr = dict(base_batch_size=32)
