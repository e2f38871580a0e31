# Late prompts (Liu et al., Findings of EMNLP 2022) in the image tower of CLIP.
# https://arxiv.org/abs/2210.11292
# python tools/train.py \
#   configs/late_prompt/late-prompt-image_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['late-prompt_vit-base-p16_16shot_caltech101-b2n.py']
model = dict(backbone=dict(prompt=dict(
    _delete_=True, type='TowerPrompts',
    image=[dict(type='LatePrompt', layer=6, num_tokens=4)])))
