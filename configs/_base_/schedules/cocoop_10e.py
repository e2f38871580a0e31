# The schedule of CoCoOp, for batch size 1.
_base_ = 'warmup_cosine.py'
auto_scale_lr = dict(base_batch_size=1)
