dataset = dict(
    type='TextDataset', task='mpqa', data_root='data/late_prompt/mpqa', seed=1)
