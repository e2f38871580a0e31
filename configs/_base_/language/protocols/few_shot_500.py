# The protocol of Late Prompt Tuning: 500 training examples, 1000 others to
# choose a checkpoint, and the development file as test set.
protocol = 'few_shot_500'
train_dataloader = dict(
    batch_size=32, num_workers=0,
    dataset=dict(split='train', num_examples=500),
    sampler=dict(type='InfiniteSampler', shuffle=True))
val_dataloader = dict(
    batch_size=32, num_workers=0,
    dataset=dict(split='train', num_examples=1000, skip=500, test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(
    batch_size=32, num_workers=0,
    dataset=dict(split='val', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='LanguageMetric')
custom_hooks = [dict(type='LanguageResultHook')]
