dataset = dict(
    type='TextDataset', task='hotpotqa', data_root='data/mrqa', seed=1)
