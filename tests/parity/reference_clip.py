"""The small CLIP of the reference outputs, rebuilt from its recipe.

The outputs in ``tests/data/reference`` were made by the public code of CoOp
and DePT, in fp32, on a CLIP whose weights follow from their names.
"""
from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.model import convert_to_custom_text_state_dict

from dept_mm.models.clip import CLIPSpec, FrozenCLIP

REFERENCE = Path(__file__).parents[1] / 'data' / 'reference'
ARCHITECTURE = dict(
    embed_dim=512,
    quick_gelu=True,
    vision_cfg=dict(image_size=32, patch_size=8, width=768, layers=3),
    text_cfg=dict(context_length=77, vocab_size=49408, width=512, heads=8,
                  layers=3))
BASE = ('Annual Crop Land', 'Forest', 'Herbaceous Vegetation Land',
        'Highway or Road', 'Industrial Buildings')
NEW = ('Pasture Land', 'Permanent Crop Land', 'Residential Buildings',
       'River', 'Sea or Lake')


def draw(key: str, shape: tuple) -> np.ndarray:
    """Standard normal values that depend on a name alone."""
    random = np.random.RandomState(zlib.crc32(key.encode()) % 2**32)
    size = int(np.prod(shape))
    return random.standard_normal(size).reshape(shape).astype(np.float32)


def frozen_value(name: str, shape: tuple, salt: str = '') -> np.ndarray:
    """Value of the frozen parameter with this OpenAI name; another ``salt``
    gives other weights."""
    leaf = name.rsplit('.', 1)[-1]
    if name == 'logit_scale':
        return np.full(shape, np.log(100.), np.float32)
    x = draw(salt + name, shape)
    if 'ln_' in name:
        return (1 + .1 * x if leaf == 'weight' else .1 * x).astype('f4')
    if leaf.endswith('bias'):
        return (.02 * x).astype('f4')
    if 'embedding' in name:
        return (.05 * x).astype('f4')
    if leaf in ('proj', 'text_projection'):
        fan_in = shape[0]
    elif len(shape) == 2:
        fan_in = shape[-1]
    else:
        fan_in = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
    return (x / np.sqrt(fan_in)).astype('f4')


def trainable_value(name: str, shape: tuple) -> torch.Tensor:
    """Value of the trainable parameter with this public-code name."""
    x = draw('train.' + name, tuple(shape))
    if 'film' in name:
        x = 1 + .1 * x if name.endswith('scale') else .1 * x
    else:
        is_token = any(part in name for part in (
            'ctx', 'compound_prompts_text', 'VPT'))
        x = (.02 if is_token else .04) * x
    return torch.from_numpy(x.astype('f4'))


def make_batches(size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Two batches of noise, and labels of base classes."""
    images = torch.from_numpy(draw('trajectory', (2, size, 3, 32, 32)))
    labels = torch.arange(2 * size).view(2, size) % len(BASE)
    return list(zip(images, labels, strict=True))


@cache
def reference_clip(salt: str = '') -> FrozenCLIP:
    """The CLIP, as this package holds one."""
    plain = open_clip.CLIP(**ARCHITECTURE)
    state = {
        name: torch.from_numpy(frozen_value(name, tuple(value.shape), salt))
        for name, value in plain.state_dict().items()}
    model = open_clip.CustomTextCLIP(**ARCHITECTURE)
    model.load_state_dict(convert_to_custom_text_state_dict(state))
    spec = CLIPSpec(512, 32, (0.5, ) * 3, (0.5, ) * 3, 'bicubic')
    return FrozenCLIP(model, open_clip.SimpleTokenizer(), spec, 'reference')


def write_clip(folder: Path, salt: str = '') -> dict:
    """Write the CLIP into a folder, and return the config that reads it."""
    torch.save(reference_clip(salt).model.state_dict(),
               folder / 'open_clip_pytorch_model.bin')
    (folder / 'open_clip_config.json').write_text(json.dumps(dict(
        model_cfg=dict(ARCHITECTURE, custom_text=True),
        preprocess_cfg=dict(mean=[.5] * 3, std=[.5] * 3))))
    return dict(name=f'local-dir:{folder}')
