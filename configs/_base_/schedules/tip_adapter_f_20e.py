# Tip-Adapter-F's own recipe, for batches of 256 images; a second head learns
# 6.5 times as fast, the ratio of DePT.
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, eps=1e-4, weight_decay=0.01),
    paramwise_cfg=dict(
        custom_keys={
            'head': dict(lr_mult=6.5),
            'head.image_transform': dict(lr_mult=6.5, decay_mult=0.),
            'head.text_transform': dict(lr_mult=6.5, decay_mult=0.),
        }))
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=20, convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=20)
auto_scale_lr = dict(base_batch_size=256)
