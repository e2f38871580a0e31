# Train on 400 examples, and score the tuned model on the test file.
protocol = 'demo'
train_dataloader = dict(
    batch_size=16, num_workers=0,
    dataset=dict(split='train', num_examples=400),
    sampler=dict(type='EpochSampler', shuffle=True))
val_dataloader = test_dataloader = dict(
    batch_size=64, num_workers=0,
    dataset=dict(split='test', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='LanguageMetric')
custom_hooks = [dict(type='LanguageResultHook')]
