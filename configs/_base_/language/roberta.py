# RoBERTa with few examples. A leaf config adds prompts and a schedule.
_base_ = [
    'models/roberta-large.py', '{{$DEPT_DATASET:datasets/sst2}}.py',
    '{{$DEPT_PROTOCOL:protocols/few_shot_500}}.py', 'runtime_by_steps.py'
]
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm, max_length=512,
    head=dict(type='MaskedLMHead', task=_base_.dataset))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
