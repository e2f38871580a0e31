# The parts that PromptSRC adds: use them by `model = _base_.promptsrc`.
_base_ = '../templates/promptsrc.py'
promptsrc = dict(
    backbone=dict(
        prompt=dict(type='IVLPPrompt', text_depth=9, image_depth=9),
        teacher=dict(templates=_base_.templates, image=True)),
    head=dict(losses=[dict(type='SelfConsistencyLoss')]))
