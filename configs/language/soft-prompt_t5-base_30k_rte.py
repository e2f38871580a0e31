_base_ = [
    '../_base_/language/models/t5-base.py',
    '../_base_/language/tasks/rte.py',
    '../_base_/language/protocols/small.py',
    '../_base_/language/schedules/soft_30k.py',
    '../_base_/language/runtime_by_steps.py'
]
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm,
    prompts=[dict(type='SoftPrompt', num_tokens=100, init=dict(vocab=0))],
    head=dict(type='Seq2SeqHead', task=_base_.dataset))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
