# The CLIP that comes with this package: it knows drawn shapes, nothing else.
clip = dict(name='builtin:demo_clip')
data_preprocessor = dict(type='CLIPDataPreprocessor', clip=clip)
# No augmentation: a random crop would change sizes and counts.
train_pipeline = test_pipeline = [
    dict(type='LoadRGBImage'),
    dict(type='CLIPResizeCenterCrop', clip=clip),
    dict(type='PackInputs'),
]
