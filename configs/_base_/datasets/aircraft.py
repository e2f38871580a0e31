dataset = dict(
    type='PathPatternDataset',
    name='aircraft',
    data_root='data',
    data_prefix='fgvc_aircraft/images',
    lists=dict(train='fgvc_aircraft/images_variant_train.txt',
               val='fgvc_aircraft/images_variant_val.txt',
               test='fgvc_aircraft/images_variant_test.txt'),
    pattern=r'(?P<id>\d+) (?P<label>.+)',
    path='{id}.jpg',
    template='a photo of a {}, a type of aircraft.',
    seed=1)
