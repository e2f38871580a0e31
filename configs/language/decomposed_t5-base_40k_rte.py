_base_ = [
    '../_base_/language/models/t5-base.py',
    '../_base_/language/tasks/rte.py',
    '../_base_/language/protocols/small.py',
    '../_base_/language/schedules/decomposed_40k.py',
    '../_base_/language/runtime_by_steps.py'
]
# 76,800 parameters, as 100 tokens; the text is that of the public code (sic).
model = dict(
    type='PromptedLanguageModel', lm=_base_.lm,
    prompts=[dict(
        type='DecomposedPrompt', num_tokens=40, rank='match:100',
        max_length=256,
        init=dict(text='Classify this text is postive or not:'))],
    head=dict(type='Seq2SeqHead', task=_base_.dataset))
train_dataloader = dict(dataset=_base_.dataset)
val_dataloader = test_dataloader = dict(dataset=_base_.dataset)
