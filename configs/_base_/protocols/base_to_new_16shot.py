# Train on 16 images of each base class, then score base and new test images
# among the classes of their half. By default, the first half of the classes of
# a data set is base.
protocol = 'b2n'
classes = dict()
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    dataset=dict(split='train', task='base', num_shots=16),
    sampler=dict(type='EpochSampler', shuffle=True))
# As in the papers, the model of the last epoch is measured on the test split,
# which does not choose a checkpoint.
test_dataloader = val_dataloader = dict(
    batch_size=100,
    num_workers=2,
    dataset=dict(split='test', task='all', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='BaseNewMetric')
custom_hooks = [dict(type='BaseNewTableHook')]
