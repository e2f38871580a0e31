clip = dict(name='ViT-B-16-quickgelu', pretrained='openai')
data_preprocessor = dict(type='CLIPDataPreprocessor', clip=clip)
train_pipeline = [
    dict(type='LoadRGBImage'),
    dict(type='CLIPRandomResizedCrop', clip=clip),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadRGBImage'),
    dict(type='CLIPResizeCenterCrop', clip=clip),
    dict(type='PackInputs'),
]
