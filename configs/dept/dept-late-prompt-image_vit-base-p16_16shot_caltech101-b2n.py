_base_ = [
    '../_base_/clip/vit-base-p16.py', '../_base_/datasets/caltech101.py',
    '../_base_/protocols/base_to_new_16shot.py',
    '../_base_/schedules/dept_clean_10e.py', '../_base_/default_runtime.py'
]
# DePT with this host is not in the public code: the common recipe.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=_base_.dataset,
        prompt=dict(
            type='TowerPrompts',
            image=[dict(type='LatePrompt', layer=6, num_tokens=4)])),
    head=dict(type='DePTHead', clip=_base_.clip, vocabulary=_base_.dataset))
# Late tokens are hidden states, far larger than the words of a context.
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(late_=dict(lr_mult=10.))))
train_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.test_pipeline))
