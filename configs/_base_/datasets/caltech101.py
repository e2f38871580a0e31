dataset = dict(
    type='SplitFileDataset',
    name='caltech101',
    data_root='data',
    ann_file='caltech-101/split_zhou_Caltech101.json',
    data_prefix='caltech-101/101_ObjectCategories',
    fallback=dict(
        type='PathPatternDataset', pattern='(?P<label>[^/]+)/.+',
        ignore=['BACKGROUND_Google', 'Faces_easy'],
        rename=dict(airplanes='airplane', Faces='face', Leopards='leopard',
                    Motorbikes='motorbike')),
    template='a photo of a {}.',
    seed=1)
