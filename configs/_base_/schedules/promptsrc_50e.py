# The schedule of PromptSRC for few shots of all classes, with batch size 4.
# The leaf config adds GaussianPromptAveragingHook.
_base_ = 'promptsrc_20e.py'
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=50, begin=1),
]
train_cfg = dict(max_epochs=50, val_interval=50)
