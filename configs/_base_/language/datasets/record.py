dataset = dict(
    type='TextDataset', task='record', data_root='data/super_glue/ReCoRD',
    seed=1)
