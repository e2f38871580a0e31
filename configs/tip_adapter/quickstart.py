_base_ = [
    '../_base_/clip/demo.py', '../_base_/datasets/shapes.py',
    '../_base_/protocols/base_to_new_16shot.py',
    '../_base_/schedules/training_free.py', '../_base_/default_runtime.py'
]
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=_base_.dataset),
    neck=dict(
        type='TipAdapter', clip=_base_.clip, vocabulary=_base_.dataset,
        num_shots=16),
    head=dict(type='CLIPHead'))
train_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.test_pipeline))
# One view is enough: the pipeline does not augment.
custom_hooks = _base_.custom_hooks + [
    dict(type='TipAdapterHook', pipeline=_base_.test_pipeline, views=1)]
