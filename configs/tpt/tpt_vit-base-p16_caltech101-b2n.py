# TPT (Shu et al., NeurIPS 2022): the words of zero-shot CLIP, tuned on 63
# views of each test image, without labels. --cfg-options
# model.backbone.tpt.dispersion=50 is C-TPT (Yoon et al., ICLR 2024).
# https://arxiv.org/abs/2209.07511 https://arxiv.org/abs/2403.14119
# python tools/test.py \
#   configs/tpt/tpt_vit-base-p16_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/common_recipe.py']
model = dict(backbone=dict(
    prompt=dict(type='CoOpPrompt', words='a photo of a'), tpt=dict()))
views = dict(type='AugmentViews', transforms=[
    dict(type='CLIPRandomResizedCrop', clip=_base_.clip),
    dict(type='RandomFlip', prob=0.5, direction='horizontal')])
val_dataloader = test_dataloader = dict(
    batch_size=4, sampler=dict(type='EpochSampler'), dataset=dict(pipeline=[
        dict(type='LoadRGBImage'), views,
        dict(type='CLIPResizeCenterCrop', clip=_base_.clip),
        dict(type='PackViews')]))
