_base_ = [
    '../_base_/clip/vit-base-p16.py', '../_base_/datasets/caltech101.py',
    '../_base_/protocols/base_to_new_16shot.py',
    '../_base_/schedules/dept_clean_10e.py',
    '../_base_/templates/promptsrc.py', '../_base_/default_runtime.py'
]
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=_base_.dataset,
        prompt=dict(type='IVLPPrompt', text_depth=9, image_depth=9),
        teacher=dict(templates=_base_.templates, image=True)),
    head=dict(type='CLIPHead', losses=[dict(type='SelfConsistencyLoss')]))
train_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.test_pipeline))
custom_hooks = _base_.custom_hooks + [
    dict(type='GaussianPromptAveragingHook', mean=7.5, std=0.5)]
