dataset = dict(
    type='TextDataset', task='wic', data_root='data/super_glue/WiC', seed=1)
