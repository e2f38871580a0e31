_base_ = [
    '../_base_/clip/vit-base-p16.py', '../_base_/datasets/caltech101.py',
    '../_base_/protocols/few_shot_16shot.py',
    '../_base_/schedules/promptsrc_50e.py', '../_base_/templates/promptsrc.py',
    '../_base_/default_runtime.py'
]
# Cars, Flowers, Aircraft, DTD and EuroSAT: mean 45, std 5.
all_classes = dict(**_base_.dataset, base_classes='all')
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=all_classes,
        prompt=dict(type='IVLPPrompt', text_depth=9, image_depth=9),
        teacher=dict(templates=_base_.templates, image=True)),
    head=dict(type='CLIPHead', losses=[dict(type='SelfConsistencyLoss')]))
train_dataloader = dict(
    dataset=dict(**all_classes, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**all_classes, pipeline=_base_.test_pipeline))
custom_hooks = _base_.custom_hooks + [
    dict(type='GaussianPromptAveragingHook', mean=30, std=30)]
