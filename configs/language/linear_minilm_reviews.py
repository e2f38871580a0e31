# A linear layer without a prompt on reviews of films, with a small model;
# docs/language.md says how to get both.
# python tools/train.py configs/language/linear_minilm_reviews.py
_base_ = '../_base_/language/minilm.py'
