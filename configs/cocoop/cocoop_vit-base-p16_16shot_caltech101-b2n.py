# CoCoOp (Zhou et al., CVPR 2022) in DePT's common recipe, which gives it batch
# size 1 and a lower learning rate.
# https://arxiv.org/abs/2203.05557
# python tools/train.py \
#   configs/cocoop/cocoop_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(prompt=dict(type='CoCoOpPrompt')))
optim_wrapper = dict(optimizer=dict(lr=0.002))
train_dataloader = dict(batch_size=1)
