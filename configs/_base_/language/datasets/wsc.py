dataset = dict(
    type='TextDataset', task='wsc', data_root='data/super_glue/WSC', seed=1)
