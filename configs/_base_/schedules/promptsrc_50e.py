# PromptSRC, few-shot with all classes, batch 4. Heads that learn get 6 times
# the rate. The leaf config adds GaussianPromptAveragingHook.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.0025, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=6.0)}))
param_scheduler = [
    dict(type='AbsoluteWarmupLR', lr=1e-5, end=1),
    dict(type='CosineAnnealingLR', T_max=50, begin=1),
]
train_cfg = dict(by_epoch=True, max_epochs=50, val_interval=50)
auto_scale_lr = dict(base_batch_size=4)
