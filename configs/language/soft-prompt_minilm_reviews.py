# Soft prompts (Lester et al., EMNLP 2021) on reviews of films, with a small
# model; docs/language.md says how to get both.
# https://arxiv.org/abs/2104.08691
# python tools/train.py configs/language/soft-prompt_minilm_reviews.py
_base_ = '../_base_/language/minilm.py'
model = dict(prompts=[dict(
    type='SoftPrompt', num_tokens=20, init=dict(vocab=0))])
