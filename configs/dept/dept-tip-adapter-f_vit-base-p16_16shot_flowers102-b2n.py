_base_ = [
    '../_base_/clip/vit-base-p16_mild-crops.py',
    '../_base_/datasets/flowers102.py',
    '../_base_/protocols/base_to_new_16shot.py',
    '../_base_/schedules/tip_adapter_f_20e.py', '../_base_/default_runtime.py'
]
# DePT on Tip-Adapter-F was not published; these settings join the two recipes.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=_base_.dataset),
    neck=dict(
        type='TipAdapter', clip=_base_.clip, vocabulary=_base_.dataset,
        num_shots=16, alpha=10.0, trainable=True),
    head=dict(type='DePTHead', clip=_base_.clip, vocabulary=_base_.dataset))
train_dataloader = dict(
    batch_size=256,
    dataset=dict(**_base_.dataset, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.test_pipeline))
custom_hooks = _base_.custom_hooks + [
    dict(type='TipAdapterHook', pipeline=_base_.test_pipeline,
         max_alpha=50, max_beta=50)]
