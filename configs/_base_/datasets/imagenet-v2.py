# Folders 0 to 999: the rank of the WordNet id.
dataset = dict(
    type='FolderDataset',
    name='imagenet-v2',
    data_root='data',
    data_prefix='imagenetv2/imagenetv2-matched-frequency-format-val',
    folders=dict(test=''),
    class_file='imagenet/classnames.txt',
    numbered=True,
    template='a photo of a {}.',
    seed=1)
