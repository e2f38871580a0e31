# Deep prompts in the text tower alone, as in the experiments of MaPLe (Khattak
# et al., CVPR 2023).
# https://arxiv.org/abs/2210.03117
# python tools/train.py \
#   configs/ivlp/deep-language_vit-base-p16_5e-16shot_caltech101-b2n.py
_base_ = ['../_base_/base_to_new.py', '../_base_/schedules/ivlp_5e.py']
model = dict(backbone=dict(prompt=dict(
    type='IVLPPrompt', num_image_tokens=0, num_text_tokens=4, text_depth=12)))
