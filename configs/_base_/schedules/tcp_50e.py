# TCP, batch 32, in fp32; the large eps is the public code's.
_base_ = 'coop_50e.py'
optim_wrapper = dict(optimizer=dict(
    _delete_=True, type='Adam', lr=0.002, eps=1e-3, weight_decay=5e-4))
