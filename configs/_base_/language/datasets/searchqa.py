dataset = dict(
    type='TextDataset', task='searchqa', data_root='data/mrqa', seed=1)
