dataset = dict(
    type='TextDataset', task='stsb', data_root='data/glue/STS-B', seed=1)
