# DePT (Zhang et al., CVPR 2024) on PromptSRC, on drawn shapes, with the small
# CLIP of this package and the loss weights of CoAPT's code.
# https://arxiv.org/abs/2309.07439
# python tools/train.py configs/dept/quickstart-promptsrc.py
_base_ = ['../promptsrc/quickstart.py']
model = dict(head=dict(
    type='DePTHead', clip=_base_.clip, vocabulary=_base_.vocabulary,
    similarity_weight=0.6))
