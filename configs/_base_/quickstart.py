# This is base_to_new.py, but with the CLIP and the drawings of this package.
_base_ = [
    '{{$DEPT_CLIP:clip/demo}}.py',
    '{{$DEPT_DATASET:datasets/shapes}}.py',
    '{{$DEPT_PROTOCOL:protocols/base_to_new_16shot}}.py',
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
