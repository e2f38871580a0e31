# T5 on a small task. A leaf config adds prompts and a schedule.
_base_ = [
    'models/t5-base.py', '{{$DEPT_DATASET:datasets/rte}}.py',
    '{{$DEPT_PROTOCOL:protocols/small}}.py', 'runtime_by_steps.py'
]
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm,
    head=dict(type='Seq2SeqHead', task=_base_.dataset))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
