# Soft prompts (Lester et al., EMNLP 2021) in T5, at the steps and rates of
# their successors: 76,800 parameters.
# https://arxiv.org/abs/2104.08691
# python tools/train.py configs/language/soft-prompt_t5-base_30k_rte.py
_base_ = [
    '../_base_/language/t5.py', '../_base_/language/schedules/soft_30k.py'
]
model = dict(prompts=[dict(
    type='SoftPrompt', num_tokens=100, init=dict(vocab=0))])
