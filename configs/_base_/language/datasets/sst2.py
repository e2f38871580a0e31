dataset = dict(
    type='TextDataset', task='sst2', data_root='data/glue/SST-2', seed=1)
