# LoCoOp (Miyai et al., NeurIPS 2023): context words that leave patches without
# the class of the image undecided, in the paper's own recipe.
# https://arxiv.org/abs/2306.01293
# python tools/train.py \
#   configs/locoop/locoop_vit-base-p16_50e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/schedules/coop_50e.py']
model = dict(
    backbone=dict(prompt=dict(type='CoOpPrompt', num_tokens=16), local=True),
    head=dict(losses=[dict(type='LocalEntropyLoss')]))
train_dataloader = dict(batch_size=32)
