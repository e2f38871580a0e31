# The schedule of Skip Tuning, for batch size 4: epoch 1 at 1e-6, and a quarter
# of the rate for the image tower. Its rate suits pretrained weights; DePT's
# head has the one that it has in the common recipe, 0.013.
_base_ = 'warmup_cosine.py'
optim_wrapper = dict(
    optimizer=dict(lr=2e-5),
    paramwise_cfg=dict(
        custom_keys={'backbone.prompt.image': dict(lr_mult=0.25),
                     'head': dict(lr_mult=650.)}))
param_scheduler = [
    dict(type='AbsoluteWarmupLR', lr=1e-6, end=1),
    dict(type='CosineAnnealingLR', T_max=20, begin=1),
]
train_cfg = dict(max_epochs=20, val_interval=20)
auto_scale_lr = dict(base_batch_size=4)
