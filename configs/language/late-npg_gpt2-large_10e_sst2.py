_base_ = [
    '../_base_/language/models/gpt2-large.py',
    '../_base_/language/tasks/sst2.py',
    '../_base_/language/protocols/large.py',
    '../_base_/language/schedules/late_10e.py', '../_base_/language/runtime.py'
]
# 989,568 parameters.
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm,
    prompts=[dict(
        type='LatePrompt', layer=18, num_tokens=5, generator='npg',
        bottleneck=128, dropout=0.1)],
    head=dict(type='CausalLMHead', task=_base_.dataset))
train_dataloader = dict(
    batch_size=8, sampler=dict(type='EpochSampler'), dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
