dataset = dict(
    type='TextDataset', task='paws', data_root='data/paws_wiki/final',
    seed=1)
