dataset = dict(
    type='TextDataset', task='yelp', data_root='data/yelp_review_polarity_csv',
    seed=1)
