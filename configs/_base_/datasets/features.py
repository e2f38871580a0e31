# Your own features; --cfg-options dataset.data_root=FOLDER says where they
# are, dataset.text=FILE names text features. docs/features.md shows more.
dataset = dict(
    type='FeatureDataset', name='features', data_root='data/features',
    features='features.npy', labels='labels.npy', classes='classes.txt',
    template='a photo of a {}.', seed=1)
