_base_ = [
    '../_base_/clip/demo.py', '../_base_/datasets/shapes.py',
    '../_base_/protocols/base_to_new_16shot.py',
    '../_base_/schedules/dept_clean_10e.py', '../_base_/default_runtime.py'
]
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=_base_.dataset,
        prompt=dict(
            type='IVLPPrompt', num_text_tokens=0,
            num_image_tokens=8, image_depth=3)),
    head=dict(type='DePTHead', clip=_base_.clip, vocabulary=_base_.dataset))
train_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(**_base_.dataset, pipeline=_base_.test_pipeline))
