# Late prompts (Liu et al., Findings of EMNLP 2022) in RoBERTa: their own
# recipe for 500 examples, computed from the pooled text: 263,296 parameters.
# https://arxiv.org/abs/2210.11292
# python tools/train.py \
#   configs/language/late-mppg_roberta-large_1k-500ex_sst2.py
_base_ = [
    '../_base_/language/roberta.py', '../_base_/language/schedules/late_1k.py'
]
model = dict(prompts=[dict(
    type='LatePrompt', layer=12, num_tokens=5, generator='mppg',
    bottleneck=128, dropout=0.1)])
