# A class is identified by its WordNet id, which is the name of its folder.
dataset = dict(
    type='FolderDataset',
    name='imagenet',
    data_root='data',
    data_prefix='imagenet/images',
    folders=dict(train='train', test='val'),
    class_file='imagenet/classnames.txt',
    template='a photo of a {}.',
    seed=1)
