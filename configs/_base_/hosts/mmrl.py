# The parts of MMRL: use them by `model = _base_.mmrl`. Both consistency terms
# have the weight that the public code chooses for the data set.
mmrl = dict(
    backbone=dict(prompt=dict(type='MMRLPrompt'), teacher=dict(image=True)),
    head=dict(
        loss=dict(type='CrossEntropyLoss', loss_weight=0.7),
        losses=[dict(type='TokenFeatureLoss', loss_weight=0.3),
                dict(type='TextConsistencyLoss', loss_weight=0.5),
                dict(type='ImageConsistencyLoss', loss_weight=0.5)]))
