# The public code of CoOp and its successors shares this: epoch 1 at 1e-5, then
# a cosine. DePT's head, if there is one, learns at 6.5 times the rate.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.002, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=6.5)}))
param_scheduler = [
    dict(type='AbsoluteWarmupLR', lr=1e-5, end=1),
    dict(type='CosineAnnealingLR', T_max=10, begin=1),
]
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=10)
