# Made by tools/language_demo.py: a BERT of 6 blocks without a head for words.
lm = dict(name='data/language_demo/minilm')
