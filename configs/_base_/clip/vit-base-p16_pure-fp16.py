# ViT-B/16 in the numerics of the public code: its weights and what is learned
# are fp16 (fp32 without a GPU).
_base_ = 'vit-base-p16.py'
clip = dict(precision='pure_fp16')
