# Features in files take the place of a CLIP. They are those of the data set,
# which must be a FeatureDataset: --clip features --dataset FILE.
from mmengine import Config

clip = dict(type='features', text=Config.fromfile(
    '{{fileDirname}}/../chosen_dataset.py').dataset)
data_preprocessor = dict(type='CLIPDataPreprocessor', clip=clip)
train_pipeline = test_pipeline = [dict(type='PackInputs')]
del Config
