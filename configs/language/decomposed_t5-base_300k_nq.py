# Decomposed prompts (Shi and Lipani, ICLR 2024) in T5 for Natural Questions:
# the recipe of the public code's checkpoint, 76,800 parameters. For NewsQA,
# HotpotQA and SearchQA add --dataset newsqa, and so on.
# https://arxiv.org/abs/2309.05173
# python tools/train.py configs/language/decomposed_t5-base_300k_nq.py
_base_ = [
    '../_base_/language/t5_questions.py',
    '../_base_/language/schedules/decomposed_300k.py'
]
model = dict(prompts=[dict(
    type='DecomposedPrompt', num_tokens=60, rank='match:100',
    max_length=512,
    init=dict(text='Classify this text is postive or not:'))])
