lm = dict(name='openai-community/gpt2-large')
