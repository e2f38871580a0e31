_base_ = [
    '../_base_/language/models/roberta-large.py',
    '../_base_/language/tasks/sst2.py',
    '../_base_/language/protocols/few_shot_500.py',
    '../_base_/language/schedules/late_1k.py',
    '../_base_/language/runtime_by_steps.py'
]
# 263,296 parameters.
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm,
    max_length=512,
    prompts=[dict(
        type='LatePrompt', layer=12, num_tokens=5, generator='mppg',
        bottleneck=128, dropout=0.1)],
    head=dict(type='MaskedLMHead', task=_base_.dataset))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
