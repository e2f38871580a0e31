_base_ = [
    '../_base_/language/models/minilm.py',
    '../_base_/language/tasks/reviews.py',
    '../_base_/language/protocols/demo.py',
    '../_base_/language/schedules/demo_3e.py', '../_base_/language/runtime.py'
]
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm, max_length=64,
    prompts=[dict(
        type='ADePTPrompt', num_tokens=12, rank='match:20', dropout=0.1,
        init=dict(vocab=0))],
    head=dict(type='LinearTextHead', task=_base_.dataset, pool='mean'))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
