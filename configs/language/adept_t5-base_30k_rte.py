_base_ = [
    '../_base_/language/models/t5-base.py',
    '../_base_/language/tasks/rte.py',
    '../_base_/language/protocols/small.py',
    '../_base_/language/schedules/adept_30k.py',
    '../_base_/language/runtime_by_steps.py'
]
# 76,051 parameters, below those of 100 tokens.
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm,
    prompts=[dict(
        type='ADePTPrompt', num_tokens=60, rank='match:100', dropout=0.1,
        init=dict(text='Classify this text is postive or not:'))],
    head=dict(type='Seq2SeqHead', task=_base_.dataset))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
