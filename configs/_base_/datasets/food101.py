dataset = dict(
    type='SplitFileDataset',
    name='food101',
    data_root='data',
    ann_file='food-101/split_zhou_Food101.json',
    data_prefix='food-101/images',
    fallback=dict(type='PathPatternDataset', pattern='(?P<label>[^/]+)/.+'),
    template='a photo of {}, a type of food.',
    seed=1)
