dataset = dict(
    type='TextDataset', task='mrpc', data_root='data/glue/MRPC', seed=1)
