# There is no fallback: without the split file there are only MATLAB files.
dataset = dict(
    type='SplitFileDataset',
    name='cars',
    data_root='data',
    ann_file='stanford_cars/split_zhou_StanfordCars.json',
    data_prefix='stanford_cars',
    template='a photo of a {}.',
    seed=1)
