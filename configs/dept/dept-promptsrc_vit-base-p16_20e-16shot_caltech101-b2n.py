# DePT (Zhang et al., CVPR 2024) on PromptSRC as in the only public trace,
# CoAPT's code: the two losses weigh 0.6 and 0.7, and the consistency terms as
# in PromptSRC; fusion is 0.7, and the head has 6 times the learning rate.
# https://arxiv.org/abs/2309.07439
# python tools/train.py \
#   configs/dept/dept-promptsrc_vit-base-p16_20e-16shot_caltech101-b2n.py
_base_ = ['../promptsrc/promptsrc_vit-base-p16_20e-16shot_caltech101-b2n.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary,
    similarity_weight=0.6))
