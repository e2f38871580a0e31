# Snippets of film reviews: files of tools/language_demo.py.
dataset = dict(
    type='TextDataset', task='mr', data_root='data/language_demo/reviews',
    seed=1)
