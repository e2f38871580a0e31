# The demonstration without its prompt, on files that tools/language_demo.py
# writes.
_base_ = [
    'models/minilm.py', '{{$DEPT_DATASET:datasets/reviews}}.py',
    '{{$DEPT_PROTOCOL:protocols/demo}}.py', 'schedules/demo_3e.py',
    'runtime.py'
]
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm, max_length=64,
    head=dict(type='LinearTextHead', task=_base_.dataset, pool='mean'))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
