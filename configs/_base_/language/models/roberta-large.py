lm = dict(name='FacebookAI/roberta-large')
