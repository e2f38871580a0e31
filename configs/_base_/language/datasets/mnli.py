dataset = dict(
    type='TextDataset', task='mnli', data_root='data/glue/MNLI', seed=1)
