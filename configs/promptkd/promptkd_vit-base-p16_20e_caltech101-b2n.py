# PromptKD (Li et al., CVPR 2024) in its own recipe: a tuned ViT-L/14, given by
# model.backbone.teacher.adapter, teaches on images of all classes.
# https://arxiv.org/abs/2403.02781
# python tools/train.py \
#   configs/promptkd/promptkd_vit-base-p16_20e_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/schedules/promptkd_20e.py']
vocabulary = dict(_base_.vocabulary, base_classes='all')
model = dict(
    backbone=dict(
        prompt=dict(type='IVLPPrompt', num_text_tokens=0, image_depth=9),
        teacher=dict(type='TunedTeacher')),
    neck=dict(type='TeacherSpace', clip=_base_.clip, width=768,
              vocabulary=vocabulary),
    head=dict(type='UnlabelledHead',
              losses=[dict(type='TeacherDivergenceLoss')]))
train_dataloader = dict(batch_size=8, drop_last=True, dataset=dict(
    task='all', num_shots=None, base_classes='all', labelled=False))
