# The CLIP that comes with this package. It knows nothing but drawn shapes.
clip = dict(name='builtin:demo_clip')
data_preprocessor = dict(type='CLIPDataPreprocessor', clip=clip)
# There is no augmentation: a random crop would change sizes and counts.
train_pipeline = test_pipeline = [
    dict(type='LoadRGBImage'),
    dict(type='CLIPResizeCenterCrop', clip=clip),
    dict(type='PackInputs'),
]
