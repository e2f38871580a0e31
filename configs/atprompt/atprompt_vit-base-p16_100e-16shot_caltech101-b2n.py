# ATPrompt (Li et al., ICCV 2025) on CoOp in its own recipe, with the
# attributes of Caltech101; other data sets have others, see docs/hosts.md.
# https://arxiv.org/abs/2412.09442
# python tools/train.py \
#   configs/atprompt/atprompt_vit-base-p16_100e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py',
          '../_base_/{{$DEPT_RECIPE:schedules/prograd_100e}}.py']
model = dict(backbone=dict(prompt=dict(
    type='ATPrompt', attributes=['color', 'shape'], num_tokens=2,
    host=dict(type='CoOpPrompt', num_tokens=2))))
train_dataloader = dict(batch_size=32)
