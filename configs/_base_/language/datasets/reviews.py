# Snippets of film reviews, in files that tools/language_demo.py writes.
dataset = dict(
    type='TextDataset', task=dict(base='mr', header=()),
    data_root='data/language_demo/reviews', seed=1)
