dataset = dict(
    type='SplitFileDataset',
    name='pets',
    data_root='data',
    ann_file='oxford_pets/split_zhou_OxfordPets.json',
    data_prefix='oxford_pets/images',
    fallback=dict(  # the official test split, without a val split
        type='PathPatternDataset', lower=True,
        lists=dict(train='oxford_pets/annotations/trainval.txt',
                   test='oxford_pets/annotations/test.txt'),
        pattern=r'(?P<id>(?P<label>.+)_\d+) .*', path='{id}.jpg'),
    template='a photo of a {}, a type of pet.',
    seed=1)
