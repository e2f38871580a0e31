# This is base_to_new.py, but from ImageNet to four data sets of its classes.
_base_ = [
    '{{$DEPT_CLIP:clip/vit-base-p16}}.py',
    '{{$DEPT_DATASET:datasets/imagenet}}.py',
    '{{$DEPT_PROTOCOL:protocols/domain_generalization_16shot}}.py',
    'default_runtime.py'
]
vocabulary = dict(_base_.dataset, **_base_.classes)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='PromptedCLIP', clip=_base_.clip, vocabulary=vocabulary),
    head=dict(type='CLIPHead'))
train_dataloader = dict(
    dataset=dict(vocabulary, pipeline=_base_.train_pipeline))
val_dataloader = test_dataloader = dict(
    dataset=dict(vocabulary, pipeline=_base_.test_pipeline))
