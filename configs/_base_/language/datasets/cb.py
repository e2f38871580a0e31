dataset = dict(
    type='TextDataset', task='cb', data_root='data/super_glue/CB', seed=1)
