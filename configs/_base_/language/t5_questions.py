# T5 on questions about texts. A leaf config adds prompts and a schedule.
_base_ = [
    'models/t5-base.py', '{{$DEPT_DATASET:datasets/nq}}.py',
    '{{$DEPT_PROTOCOL:protocols/large}}.py', 'runtime_by_steps.py'
]
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm, max_length=512,
    head=dict(type='Seq2SeqHead', task=_base_.dataset))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
