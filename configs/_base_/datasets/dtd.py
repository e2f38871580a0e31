dataset = dict(
    type='SplitFileDataset',
    name='dtd',
    data_root='data',
    ann_file='dtd/split_zhou_DescribableTextures.json',
    data_prefix='dtd/images',
    fallback=dict(type='PathPatternDataset', pattern='(?P<label>[^/]+)/.+'),
    template='a photo of a {}, a type of texture.',
    seed=1)
