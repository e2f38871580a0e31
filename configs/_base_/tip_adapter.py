# Tip-Adapter from base to new classes. Crops show at least half of the image,
# and the search ranges are those of its code for Caltech101.
_base_ = 'base_to_new.py'
train_pipeline = [
    dict(type='LoadRGBImage'),
    dict(type='CLIPRandomResizedCrop', clip=_base_.clip, scale=(0.5, 1.0)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
model = dict(neck=dict(
    type='TipAdapter', clip=_base_.clip, vocabulary=_base_.vocabulary,
    num_shots=16, alpha=3.0))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = _base_.custom_hooks + [
    dict(type='TipAdapterHook', pipeline=_base_.test_pipeline,
         max_alpha=5, max_beta=12)]
