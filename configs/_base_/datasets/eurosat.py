dataset = dict(
    type='SplitFileDataset',
    name='eurosat',
    data_root='data',
    ann_file='eurosat/split_zhou_EuroSAT.json',
    data_prefix='eurosat/2750',
    fallback=dict(
        type='PathPatternDataset', pattern='(?P<label>[^/]+)/.+',
        rename=dict(
            AnnualCrop='Annual Crop Land', Highway='Highway or Road',
            HerbaceousVegetation='Herbaceous Vegetation Land',
            Industrial='Industrial Buildings', Pasture='Pasture Land',
            PermanentCrop='Permanent Crop Land', SeaLake='Sea or Lake',
            Residential='Residential Buildings')),
    template='a centered satellite photo of {}.',
    seed=1)
