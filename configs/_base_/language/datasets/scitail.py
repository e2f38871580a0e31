dataset = dict(
    type='TextDataset', task='scitail',
    data_root='data/SciTailV1.1/snli_format', seed=1)
