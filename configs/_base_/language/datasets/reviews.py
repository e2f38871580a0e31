# Snippets of film reviews, in files that tools/language_demo.py writes.
dataset = dict(
    type='TextDataset', task='mr', data_root='data/language_demo/reviews',
    seed=1)
