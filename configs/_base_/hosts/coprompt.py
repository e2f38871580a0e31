# The parts of CoPrompt: use them by `model = _base_.coprompt`.
coprompt = dict(
    backbone=dict(
        prompt=dict(type='MaPLePrompt', depth=9), teacher=dict(image=True)),
    head=dict(losses=[dict(type='TextConsistencyLoss', loss_weight=1.0),
                      dict(type='ImageConsistencyLoss', loss_weight=1.0)]))
