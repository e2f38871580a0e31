_base_ = 'runtime.py'
# The checkpoint that is best on the development examples is kept.
default_hooks = dict(checkpoint=dict(
    by_epoch=False, interval=100, save_best='auto', rule='greater'))
