# PromptSRC, batch 4: epoch 1 at 1e-5, then a cosine. Heads that learn get 6
# times the rate, as in the one public trace of PromptSRC with DePT. The leaf
# config adds GaussianPromptAveragingHook(mean=15, std=1).
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.0025, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=6.0)}))
param_scheduler = [
    dict(type='AbsoluteWarmupLR', lr=1e-5, end=1),
    dict(type='CosineAnnealingLR', T_max=20, begin=1),
]
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=20)
auto_scale_lr = dict(base_batch_size=4)
