_base_ = [
    '../_base_/language/models/minilm.py',
    '../_base_/language/tasks/reviews.py',
    '../_base_/language/protocols/demo.py',
    '../_base_/language/schedules/demo_3e.py', '../_base_/language/runtime.py'
]
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm, max_length=64,
    prompts=[dict(
        type='LatePrompt', layer=3, num_tokens=5, generator='mppg',
        bottleneck=9, dropout=0.1)],
    head=dict(type='LinearTextHead', task=_base_.dataset, pool='mean'))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
