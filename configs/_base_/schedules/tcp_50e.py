# TCP's schedule, for batch size 32 in fp32, with the public code's large eps.
_base_ = 'coop_50e.py'
optim_wrapper = dict(optimizer=dict(
    _delete_=True, type='Adam', lr=0.002, eps=1e-3, weight_decay=5e-4))
