# Decomposed prompts (Shi and Lipani, ICLR 2024) on reviews of films, with a
# small model; docs/language.md says how to get both.
# https://arxiv.org/abs/2309.05173
# python tools/train.py configs/language/decomposed_minilm_reviews.py
_base_ = '../_base_/language/minilm.py'
model = dict(prompts=[dict(
    type='DecomposedPrompt', num_tokens=8, rank='match:20',
    max_length=64, init=dict(vocab=0))])
