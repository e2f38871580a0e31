# GPT-2 with all examples. A leaf config adds prompts and a schedule.
_base_ = [
    'models/gpt2-large.py', '{{$DEPT_DATASET:datasets/sst2}}.py',
    '{{$DEPT_PROTOCOL:protocols/large}}.py', 'runtime.py'
]
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm,
    head=dict(type='CausalLMHead', task=_base_.dataset))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
# The protocol's validation chooses the checkpoint.
default_hooks = dict(checkpoint=dict(save_best='auto', rule='greater'))
