_base_ = [
    '../_base_/clip/vit-base-p16.py', '../_base_/datasets/imagenet.py',
    '../_base_/protocols/cross_dataset_16shot.py',
    '../_base_/schedules/dept_clean_10e.py', '../_base_/default_runtime.py'
]
# The paper tunes language models: on CLIP, the common recipe.
all_classes = dict(**_base_.dataset, base_classes='all')
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=all_classes,
        prompt=dict(
            type='TowerPrompts',
            text=[dict(type='LatePrompt', layer=6, num_tokens=4)])),
    head=dict(type='CLIPHead'))
# Late tokens are hidden states, far larger than the words of a context.
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(late_=dict(lr_mult=10.))))
train_dataloader = dict(
    dataset=dict(**all_classes, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**all_classes, pipeline=_base_.test_pipeline))
