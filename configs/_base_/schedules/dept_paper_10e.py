# The recipe of the public code: epoch 1 at 1e-5 for all parameters, then a
# cosine that ends above zero, decay on everything, all of it in pure fp16
# (fp32 where there is no GPU). A DePTHead needs that precision told as well.
model = dict(backbone=dict(clip=dict(precision='pure_fp16')))
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.0035, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=6.5)}))
param_scheduler = [
    dict(type='AbsoluteWarmupLR', lr=1e-5, end=1),
    dict(type='CosineAnnealingLR', T_max=10, begin=1),
]
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=10)
auto_scale_lr = dict(base_batch_size=4)
