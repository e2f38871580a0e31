dataset = dict(
    type='TextDataset', task='winogrande', data_root='data/winogrande_1.1',
    seed=1)
