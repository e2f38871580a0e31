"""What tests of hooks that collect features share."""
import torch
from mmengine.registry import DATASETS

from dept_mm.models.clip import build_clip


def with_steps(cfg):
    """The config, trained for an epoch by gradients."""
    cfg.train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
    cfg.optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
    return cfg


def encode(cfg, split, flip=False):
    """Features of the draw, image by image, and labels; as a user would."""
    data = DATASETS.build(dict(
        cfg.train_dataloader.dataset, split=split,
        pipeline=cfg.test_pipeline))
    clip = build_clip(cfg.clip)
    found, labels = [], []
    for sample in data:
        # BGR, as MMPretrain loads it; the rest as the tiny CLIP says.
        image = (sample['inputs'].flip(0).float() / 255 - .5) / .25
        with torch.no_grad():
            found.append(clip.encode_image(
                image.flip(2)[None] if flip else image[None])[0])
        labels.append(int(sample['data_samples'].gt_label))
    return torch.stack(found), labels
