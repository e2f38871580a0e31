dataset = dict(
    type='SplitFileDataset',
    name='ucf101',
    data_root='data',
    ann_file='ucf101/split_zhou_UCF101.json',
    data_prefix='ucf101/UCF-101-midframes',
    fallback=dict(  # the official test split, without a val split
        type='PathPatternDataset', ignore_case=True,
        lists=dict(train='ucf101/ucfTrainTestlist/trainlist01.txt',
                   test='ucf101/ucfTrainTestlist/testlist01.txt'),
        pattern=r'(?P<label>\w+)/(?P<id>\w+)\.avi.*', path='{name}/{id}.jpg',
        substitute=[('(?<!^)([A-Z])', r'_\1')]),  # YoYo: Yo_Yo
    template='a photo of a person doing {}.',
    seed=1)
