dataset = dict(
    type='TextDataset', task='qqp', data_root='data/glue/QQP', seed=1)
