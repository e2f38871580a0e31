# The schedule of MMRL and MMRL++ from base to new classes, for batch size 4.
_base_ = 'warmup_cosine.py'
optim_wrapper = dict(optimizer=dict(
    _delete_=True, type='AdamW', lr=0.001, weight_decay=5e-4))
auto_scale_lr = dict(base_batch_size=4)
