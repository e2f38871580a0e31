dataset = dict(
    type='TextDataset', task='boolq', data_root='data/super_glue/BoolQ',
    seed=1)
