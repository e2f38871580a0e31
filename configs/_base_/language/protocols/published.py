# All published files as they are: development chooses a checkpoint.
_base_ = 'large.py'
train_dataloader = dict(dataset=dict(part=None))
val_dataloader = dict(dataset=dict(split='val', part=None))
test_dataloader = dict(dataset=dict(split='test'))
