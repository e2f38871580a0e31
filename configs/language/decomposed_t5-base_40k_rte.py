# Decomposed prompts (Shi and Lipani, ICLR 2024) in T5: their own recipe,
# 76,800 parameters, as 100 tokens have. The text is the public code's (sic).
# https://arxiv.org/abs/2309.05173
# python tools/train.py configs/language/decomposed_t5-base_40k_rte.py
_base_ = [
    '../_base_/language/t5.py',
    '../_base_/language/schedules/decomposed_40k.py'
]
model = dict(prompts=[dict(
    type='DecomposedPrompt', num_tokens=40, rank='match:100',
    max_length=256,
    init=dict(text='Classify this text is postive or not:'))])
