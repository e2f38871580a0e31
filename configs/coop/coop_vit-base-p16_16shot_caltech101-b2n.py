# CoOp (Zhou et al., IJCV 2022) with 16 context words, in DePT's common recipe.
# https://arxiv.org/abs/2109.01134
# python tools/train.py configs/coop/coop_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(type='CoOpPrompt', num_tokens=16)))
