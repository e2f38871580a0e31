# Train on 16 images of each class, then score test images among all classes.
protocol = 'fewshot'
classes = dict(base_classes='all')
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    dataset=dict(split='train', num_shots=16),
    sampler=dict(type='EpochSampler', shuffle=True))
test_dataloader = val_dataloader = dict(
    batch_size=100,
    num_workers=2,
    dataset=dict(split='test', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='BaseNewMetric')
custom_hooks = [dict(type='BaseNewTableHook')]
