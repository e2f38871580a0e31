dataset = dict(
    type='TextDataset', task='multirc', data_root='data/super_glue/MultiRC',
    seed=1)
