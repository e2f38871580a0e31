# Classes are known by WordNet id, the name of their folder.
dataset = dict(
    type='FolderDataset',
    name='imagenet',
    data_root='data',
    data_prefix='imagenet/images',
    folders=dict(train='train', test='val'),
    class_file='imagenet/classnames.txt',
    template='a photo of a {}.',
    seed=1)
