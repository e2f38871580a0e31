# ProGrad from base to new classes, batch 32. The leaf config adds the
# ProGradHook and its guide.
_base_ = 'kgcoop_100e.py'
auto_scale_lr = dict(base_batch_size=32)
