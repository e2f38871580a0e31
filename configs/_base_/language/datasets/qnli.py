dataset = dict(
    type='TextDataset', task='qnli', data_root='data/glue/QNLI', seed=1)
