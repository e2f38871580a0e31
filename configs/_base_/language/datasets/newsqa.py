dataset = dict(
    type='TextDataset', task='newsqa', data_root='data/mrqa', seed=1)
