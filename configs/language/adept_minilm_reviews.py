# ADePT (Tang et al., ICLR 2025) on reviews of films, with a small model;
# docs/language.md says how to get both.
# https://arxiv.org/abs/2501.03291
# python tools/train.py configs/language/adept_minilm_reviews.py
_base_ = '../_base_/language/minilm.py'
model = dict(prompts=[dict(
    type='ADePTPrompt', num_tokens=12, rank='match:20', dropout=0.1,
    init=dict(vocab=0))])
