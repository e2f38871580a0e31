dataset = dict(
    type='SplitFileDataset',
    name='sun397',
    data_root='data',
    ann_file='sun397/split_zhou_SUN397.json',
    data_prefix='sun397/SUN397',
    fallback=dict(  # the official test split, without a val split
        type='PathPatternDataset',
        lists=dict(train='sun397/Training_01.txt',
                   test='sun397/Testing_01.txt'),
        pattern=r'/(?P<path>\w/(?P<label>.+)/[^/]+)', path='{path}',
        substitute=[('(.+)/(.+)', r'\2 \1')]),  # apse/indoor: indoor apse
    template='a photo of a {}.',
    seed=1)
