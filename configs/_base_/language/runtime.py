_base_ = '../default_runtime.py'
# By steps; the best checkpoint on the development examples is kept.
default_hooks = dict(checkpoint=dict(
    by_epoch=False, interval=100, save_best='auto', rule='greater'))
