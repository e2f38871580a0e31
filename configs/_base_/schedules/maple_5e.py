# The schedule of MaPLe, for batch size 4 and depth 9.
_base_ = 'ivlp_5e.py'
optim_wrapper = dict(optimizer=dict(lr=0.0035))
