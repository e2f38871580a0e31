# The schedule of ProGrad from base to new classes, for batch size 32. The leaf
# config adds ProGradHook and its guide.
_base_ = 'kgcoop_100e.py'
auto_scale_lr = dict(base_batch_size=32)
