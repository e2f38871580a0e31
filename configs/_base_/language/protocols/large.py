# The protocol of Decomposed Prompt Tuning for large tasks: 1000 training
# examples choose a checkpoint, and the development file is the test set.
protocol = 'full_data'
train_dataloader = dict(
    batch_size=32, num_workers=0,
    dataset=dict(split='train', part=(1000, None)),
    sampler=dict(type='InfiniteSampler', shuffle=True))
val_dataloader = dict(
    batch_size=32, num_workers=0,
    dataset=dict(split='train', part=(0, 1000), test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(
    batch_size=32, num_workers=0,
    dataset=dict(split='val', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='LanguageMetric')
custom_hooks = [dict(type='LanguageResultHook')]
