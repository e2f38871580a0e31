# The protocol of Decomposed Prompt Tuning for fewer than 10,000 examples: one
# half of the development file chooses a checkpoint, the other is the test set.
protocol = 'full_data'
train_dataloader = dict(
    batch_size=32, num_workers=0, dataset=dict(split='train'),
    sampler=dict(type='InfiniteSampler', shuffle=True))
val_dataloader = dict(
    batch_size=32, num_workers=0,
    dataset=dict(split='val', part=(0, .5), test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(
    batch_size=32, num_workers=0,
    dataset=dict(split='val', part=(.5, None), test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='LanguageMetric')
custom_hooks = [dict(type='LanguageResultHook')]
