_base_ = [
    '../_base_/clip/vit-base-p16.py', '../_base_/datasets/caltech101.py',
    '../_base_/protocols/base_to_new_16shot.py',
    '../_base_/schedules/promptsrc_20e.py', '../_base_/templates/promptsrc.py',
    '../_base_/default_runtime.py'
]
# What is public of PromptSRC+DePT (CoAPT's code): losses 0.6 and 0.7, that is
# a weight of 0.54 (here they sum to 1), fusion 0.7, rate of the head x 6.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=_base_.dataset,
        prompt=dict(type='IVLPPrompt', text_depth=9, image_depth=9),
        teacher=dict(templates=_base_.templates, image=True)),
    head=dict(
        type='DePTHead', clip=_base_.clip, vocabulary=_base_.dataset,
        loss_weight=0.54, losses=[dict(type='SelfConsistencyLoss')]))
train_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.test_pipeline))
custom_hooks = _base_.custom_hooks + [
    dict(type='GaussianPromptAveragingHook', mean=15, std=1)]
