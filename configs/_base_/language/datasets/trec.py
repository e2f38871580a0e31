dataset = dict(
    type='TextDataset', task='trec', data_root='data/late_prompt/trec', seed=1)
