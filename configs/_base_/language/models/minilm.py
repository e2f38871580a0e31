# A BERT of 6 blocks without a head for words, from tools/language_demo.py.
lm = dict(name='data/language_demo/minilm')
