# The recipe of DePT's public code: a cosine that ends above zero, and decay on
# everything. A leaf config adds pure fp16 (fp32 without a GPU).
_base_ = 'warmup_cosine.py'
optim_wrapper = dict(optimizer=dict(lr=0.0035))
auto_scale_lr = dict(base_batch_size=4)
