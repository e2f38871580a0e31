# Train on 16 images of each class of ImageNet, then score test images of it
# and of four others with the same WordNet ids, each among its own classes.
from mmengine import Config

_base_ = ['few_shot_16shot.py']
protocol = 'dg'
targets = {
    name: dict(
        {key: value for key, value in Config.fromfile(
            f'{{fileDirname}}/../datasets/{name}.py').dataset.items()
         if key not in ('data_root', 'seed')},
        base_classes='all')
    for name in ('imagenet-v2', 'imagenet-sketch', 'imagenet-a',
                 'imagenet-r')}
val_cfg = dict(type='MultiDatasetValLoop', datasets=targets)
test_cfg = dict(type='MultiDatasetTestLoop', datasets=targets)
del Config
