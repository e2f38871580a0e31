# Images with several labels: train on all images with a base class, then
# measure the mean average precision of base and of new classes on test images.
protocol = 'multi-label'
classes = dict()
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    dataset=dict(split='train', task='base'),
    sampler=dict(type='EpochSampler', shuffle=True))
test_dataloader = val_dataloader = dict(
    batch_size=100,
    num_workers=2,
    dataset=dict(split='test', task='all', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='BaseNewAveragePrecision')
custom_hooks = []
