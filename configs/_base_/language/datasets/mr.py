dataset = dict(
    type='TextDataset', task='mr', data_root='data/late_prompt/mr', seed=1)
