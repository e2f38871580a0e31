# Late prompts (Liu et al., Findings of EMNLP 2022) in GPT-2: their own recipe
# for all examples: 989,568 parameters.
# https://arxiv.org/abs/2210.11292
# python tools/train.py configs/language/late-npg_gpt2-large_10e_sst2.py
_base_ = [
    '../_base_/language/gpt2.py', '../_base_/language/schedules/late_10e.py'
]
model = dict(prompts=[dict(
    type='LatePrompt', layer=18, num_tokens=5, generator='npg',
    bottleneck=128, dropout=0.1)])
train_dataloader = dict(batch_size=8, sampler=dict(type='EpochSampler'))
