dataset = dict(
    type='TextDataset', task='subj', data_root='data/late_prompt/subj', seed=1)
