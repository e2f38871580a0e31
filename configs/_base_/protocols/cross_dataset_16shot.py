# Train on 16 images of each class of one data set, then score the test images
# of it and of ten others, each among its own classes. `namespace` keeps
# classes of different data sets apart, even if their names are the same.
from mmengine import Config

_base_ = ['few_shot_16shot.py']
protocol = 'xd'
targets = {
    name: dict(
        {key: value for key, value in Config.fromfile(
            f'{{fileDirname}}/../datasets/{name}.py').dataset.items()
         if key not in ('data_root', 'seed')},
        base_classes='all', namespace=name)
    for name in ('caltech101', 'pets', 'cars', 'flowers102', 'food101',
                 'aircraft', 'sun397', 'dtd', 'eurosat', 'ucf101')}
val_cfg = dict(type='MultiDatasetValLoop', datasets=targets)
test_cfg = dict(type='MultiDatasetTestLoop', datasets=targets)
del Config
