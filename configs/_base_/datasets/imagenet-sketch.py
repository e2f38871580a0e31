dataset = dict(
    type='FolderDataset',
    name='imagenet-sketch',
    data_root='data',
    data_prefix='imagenet-sketch/images',
    folders=dict(test=''),
    class_file='imagenet/classnames.txt',
    template='a photo of a {}.',
    seed=1)
