# Late prompts (Liu et al., Findings of EMNLP 2022) on reviews of films, with a
# small model; docs/language.md says how to get both.
# https://arxiv.org/abs/2210.11292
# python tools/train.py configs/language/late_minilm_reviews.py
_base_ = '../_base_/language/minilm.py'
model = dict(prompts=[dict(
    type='LatePrompt', layer=3, num_tokens=5, generator='mppg',
    bottleneck=9, dropout=0.1)])
