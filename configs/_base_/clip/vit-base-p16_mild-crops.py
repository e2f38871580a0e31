# Training crops of at least half the image, as in Tip-Adapter.
_base_ = 'vit-base-p16.py'
train_pipeline = [
    dict(type='LoadRGBImage'),
    dict(type='CLIPRandomResizedCrop', clip=_base_.clip, scale=(0.5, 1.0)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
