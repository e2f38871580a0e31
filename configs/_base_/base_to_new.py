# An experiment without what is tuned and how: a leaf config adds a prompt and
# a schedule. --clip, --dataset and --protocol replace files in this list.
_base_ = [
    '{{$DEPT_CLIP:clip/vit-base-p16}}.py',
    '{{$DEPT_DATASET:datasets/caltech101}}.py',
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
