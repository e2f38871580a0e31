# ADePT (Tang et al., ICLR 2025) in T5, in its own recipe: 76,051 parameters,
# fewer than 100 tokens have. The text is that of the public code (sic).
# https://arxiv.org/abs/2501.03291
# python tools/train.py configs/language/adept_t5-base_30k_rte.py
_base_ = [
    '../_base_/language/t5.py', '../_base_/language/schedules/adept_30k.py'
]
model = dict(prompts=[dict(
    type='ADePTPrompt', num_tokens=60, rank='match:100', dropout=0.1,
    init=dict(text='Classify this text is postive or not:'))])
