dataset = dict(
    type='TextDataset', task='nq', data_root='data/mrqa', seed=1)
