# The schedule of PromptSRC, for batch size 4. A head that learns gets 6 times
# the learning rate, as in the only public trace of PromptSRC with DePT. The
# leaf config adds GaussianPromptAveragingHook(mean=15, std=1).
_base_ = 'ivlp_5e.py'
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=6.0)}))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=20, begin=1),
]
train_cfg = dict(max_epochs=20, val_interval=20)
