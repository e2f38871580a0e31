# MultiModalAdapter (Yang et al., CVPR 2024) in its own recipe.
# https://openaccess.thecvf.com/content/CVPR2024/html/Yang_MMA_Multi-Modal_Adapter_for_Vision-Language_Models_CVPR_2024_paper.html
# python tools/train.py \
#   configs/mm_adapter/mm-adapter_vit-base-p16_5e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py',
          '../_base_/{{$DEPT_RECIPE:schedules/mm_adapter_5e}}.py']
model = dict(backbone=dict(prompt=dict(type='MultiModalAdapter')))
train_dataloader = dict(batch_size=16)
