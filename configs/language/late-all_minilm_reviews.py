# Learned tokens after every block, as many as soft prompts have, on reviews of
# films; docs/language.md says how to get model and texts. The paper compares
# late prompts (Liu et al., Findings of EMNLP 2022) with prompts in all layers.
# https://arxiv.org/abs/2210.11292
# python tools/train.py configs/language/late-all_minilm_reviews.py
_base_ = '../_base_/language/minilm.py'
model = dict(prompts=[
    dict(type='LatePrompt', layer=layer, num_tokens=4, generator='none')
    for layer in range(1, 6)
])
