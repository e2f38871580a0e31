# CoPrompt (Roy and Etemad, ICLR 2024) in its own recipe. A file of sentences
# for each class, such as CuPL's, takes the place of the template by
# --cfg-options model.backbone.teacher.sentences=FILE \
#   model.backbone.teacher.draw=True
# https://arxiv.org/abs/2306.01195
# python tools/train.py \
#   configs/coprompt/coprompt_vit-base-p16_8e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/hosts/coprompt.py',
          '../_base_/{{$DEPT_RECIPE:schedules/coprompt_8e}}.py']
model = dict(neck=dict(
    type='CLIPAdapter', clip=_base_.clip, ratio=0.1, text_ratio=0.2),
    **_base_.coprompt)
view = [dict(type='CLIPResizeCenterCrop', clip=_base_.clip),
        dict(type='RandAugment', policies='timm_increasing', num_policies=2,
             magnitude_level=10)]
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadRGBImage'), dict(type='TeacherView', transforms=view),
    *view, dict(type='PackViews')]))
