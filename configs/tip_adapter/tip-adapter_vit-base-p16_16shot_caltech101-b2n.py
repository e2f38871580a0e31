_base_ = [
    '../_base_/clip/vit-base-p16_mild-crops.py',
    '../_base_/datasets/caltech101.py',
    '../_base_/protocols/base_to_new_16shot.py',
    '../_base_/schedules/training_free.py', '../_base_/default_runtime.py'
]
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=_base_.dataset),
    neck=dict(
        type='TipAdapter', clip=_base_.clip, vocabulary=_base_.dataset,
        num_shots=16, alpha=3.0),
    head=dict(type='CLIPHead'))
train_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.test_pipeline))
custom_hooks = _base_.custom_hooks + [
    dict(type='TipAdapterHook', pipeline=_base_.test_pipeline,
         max_alpha=5, max_beta=12)]
