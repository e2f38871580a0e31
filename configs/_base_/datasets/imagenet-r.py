# This data set has 200 of the classes of ImageNet.
dataset = dict(
    type='FolderDataset',
    name='imagenet-r',
    data_root='data',
    data_prefix='imagenet-rendition/imagenet-r',
    folders=dict(test=''),
    class_file='imagenet/classnames.txt',
    template='a photo of a {}.',
    seed=1)
