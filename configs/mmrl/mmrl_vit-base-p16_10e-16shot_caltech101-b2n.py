# MMRL (Guo and Gu, CVPR 2025) in its own recipe. For MMRL++, add
# --cfg-options model.backbone.prompt.rank=4 \
#   model.backbone.prompt.projection_rank=64 model.backbone.prompt.blend=0.6
# https://arxiv.org/abs/2503.08497
# python tools/train.py \
#   configs/mmrl/mmrl_vit-base-p16_10e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/hosts/mmrl.py',
          '../_base_/{{$DEPT_RECIPE:schedules/mmrl_10e}}.py']
model = _base_.mmrl
