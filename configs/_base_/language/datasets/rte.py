dataset = dict(
    type='TextDataset', task='rte', data_root='data/glue/RTE', seed=1)
