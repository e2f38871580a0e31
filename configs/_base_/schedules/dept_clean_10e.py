# The recipe of DePT in clean numerics: fp32 parameters, a warm-up that keeps
# the ratio of the two learning rates, and no decay on the channel transforms.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.0035, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            'head': dict(lr_mult=6.5),
            'head.image_transform': dict(lr_mult=6.5, decay_mult=0.),
            'head.text_transform': dict(lr_mult=6.5, decay_mult=0.),
        }))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.003, end=1,
         convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=9, begin=1, end=10),
]
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=10)
auto_scale_lr = dict(base_batch_size=4)
