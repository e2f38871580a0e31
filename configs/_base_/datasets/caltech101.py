dataset = dict(
    type='SplitFileDataset',
    data_root='data',
    ann_file='caltech-101/split_zhou_Caltech101.json',
    data_prefix='caltech-101/101_ObjectCategories',
    template='a photo of a {}.',
    seed=1)
