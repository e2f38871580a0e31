# DePT (Zhang et al., CVPR 2024) on PromptSRC, in the common recipe, but with
# the loss weights of CoAPT's code: DePT's own code does not have this host.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-promptsrc_vit-base-p16_16shot_caltech101-b2n.py
_base_ = ['../promptsrc/promptsrc_vit-base-p16_16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary,
    similarity_weight=0.6))
