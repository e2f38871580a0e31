lm = dict(name='google-t5/t5-base')
