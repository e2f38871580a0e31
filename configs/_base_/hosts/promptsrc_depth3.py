_base_ = 'promptsrc.py'
promptsrc = dict(backbone=dict(prompt=dict(text_depth=3, image_depth=3)))
