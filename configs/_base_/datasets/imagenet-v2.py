# Folders are named 0 to 999, by the rank of the WordNet id of their class.
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
