# There is no fallback: without the split file there are only MATLAB files.
dataset = dict(
    type='SplitFileDataset',
    name='flowers102',
    data_root='data',
    ann_file='oxford_flowers/split_zhou_OxfordFlowers.json',
    data_prefix='oxford_flowers/jpg',
    template='a photo of a {}, a type of flower.',
    seed=1)
