_base_ = [
    '../_base_/clip/vit-base-p16.py', '../_base_/datasets/imagenet.py',
    '../_base_/protocols/cross_dataset_16shot.py',
    '../_base_/schedules/dept_clean_10e.py', '../_base_/default_runtime.py'
]
all_classes = dict(**_base_.dataset, base_classes='all')
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=all_classes,
        prompt=dict(type='CoOpPrompt', words='a photo of a'), teacher=dict()),
    head=dict(type='CLIPHead', losses=[dict(type='ZeroShotDivergenceLoss')]))
train_dataloader = dict(
    dataset=dict(**all_classes, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**all_classes, pipeline=_base_.test_pipeline))
custom_hooks = _base_.custom_hooks + [dict(type='ProGradHook')]
