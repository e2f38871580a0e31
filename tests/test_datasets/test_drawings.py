"""Drawings, their captions, the data set made of them and the demo CLIP."""
import random
from itertools import product
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

import dept_mm
from dept_mm.datasets import drawings
from dept_mm.datasets.captions import describe
from dept_mm.datasets.drawings import HELD_OUT, TRAIN_NAMES, Drawing, draw
from dept_mm.datasets.drawn_shapes import DrawnShapes, draw_key
from dept_mm.errors import DeptError

ASSET = Path(dept_mm.__path__[0]) / 'assets/demo_clip'
DRAWING = Drawing('striped', 'red', 'triangle', 'two', 'small', 'grey')


@pytest.mark.parametrize('style', drawings.STYLES)
def test_draw_is_pure(style):
    before = np.random.get_state()[1].copy(), random.getstate()
    first = draw(DRAWING, 3, style=style)
    draw(Drawing('dotted', 'blue', 'moon'), 4, style=style)
    assert np.array_equal(first, draw(DRAWING, 3, style=style))
    assert not np.array_equal(first, draw(DRAWING, 4, style=style))
    assert (np.random.get_state()[1] == before[0]).all()
    assert random.getstate() == before[1]
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert draw(DRAWING, 3, 32, style).shape == (32, 32, 3)


@pytest.mark.parametrize('style', drawings.STYLES)
def test_every_value_can_be_drawn(style):
    names = product(drawings.TEXTURES, drawings.COLOURS, drawings.SHAPES)
    rest = product(drawings.COUNTS, drawings.SIZES, drawings.BACKGROUNDS)
    every = [Drawing(*v) for v in names]
    every += [Drawing('plain', 'red', 'star', *v) for v in rest]
    for drawing in every:
        # Something is on the ground: noise alone deviates by 12 at most.
        assert draw(drawing, 0, style=style).std(axis=(0, 1)).max() > 15


def test_unknown_value():
    with pytest.raises(ValueError, match="'chair' cannot be drawn"):
        Drawing('plain', 'red', 'chair')


def test_captions():
    rng = random.Random(0)
    assert DRAWING.name == 'striped red triangle'
    captions = [describe(DRAWING, rng) for _ in range(2000)]
    texts = {c.text for c in captions}
    assert 'a photo of a striped red triangle.' in texts
    assert ('a photo of two small striped red triangles on a grey background.'
            in texts)
    for text, codes in captions:
        assert all(c in (s, -1)
                   for c, s in zip(codes, DRAWING.codes, strict=True))
        for value, code in zip(DRAWING.values, codes, strict=True):
            assert (value in text) == (code >= 0)


def test_held_out_compositions():
    assert len(set(HELD_OUT)) == 32
    assert not set(HELD_OUT) & set(TRAIN_NAMES)
    rng = random.Random(0)
    for _ in range(5000):
        drawing = Drawing.sample(rng.choice(TRAIN_NAMES), rng)
        assert drawing.name not in HELD_OUT
        text = describe(drawing, rng).text
        # The plural of a name contains it.
        assert not any(name in text for name in HELD_OUT)
    base, new = ({word for name in half for word in name.split()}
                 for half in (HELD_OUT[:16], HELD_OUT[16:]))
    assert new <= base == {*drawings.TEXTURES, *drawings.COLOURS,
                           *drawings.SHAPES}


def test_drawn_shapes():
    data = DrawnShapes(split='train', task='base', num_shots=16, pipeline=[])
    assert len(data) == 16 * 16
    assert data.metainfo['classes'] == HELD_OUT
    assert data.metainfo['base_classes'] == HELD_OUT[:16]
    info = data[7]
    name = HELD_OUT[info['gt_label']]
    assert info['img_path'].startswith(f'{name}/train/')
    assert info['img_shape'] == info['ori_shape'] == (64, 64)
    assert np.array_equal(info['img'][..., ::-1], draw_key(info['img_path']))
    assert len(DrawnShapes(split='test', task='new', pipeline=[])) == 16 * 50
    with pytest.raises(DeptError, match='oil'):
        DrawnShapes(style='oil')


def test_demo_clip():
    assert (ASSET / 'model.safetensors').stat().st_size <= 8_000_000
    model, _, preprocess = open_clip.create_model_and_transforms(
        f'local-dir:{ASSET}')
    tokenize = open_clip.get_tokenizer(f'local-dir:{ASSET}')
    model.eval()
    accuracy = {}
    for style in drawings.STYLES:
        images = torch.from_numpy(np.stack([
            draw_key(f'{name}/test/{i:04d}', style=style)
            for name in HELD_OUT for i in range(10)
        ]))
        with torch.no_grad():
            images = model.encode_image(
                images.permute(0, 3, 1, 2) / 127.5 - 1, normalize=True)
            texts = model.encode_text(
                tokenize([f'a photo of a {n}.' for n in HELD_OUT]),
                normalize=True)
        hits = (images @ texts.T).argmax(1) == torch.arange(320) // 10
        accuracy[style] = hits.float().mean().item()
    assert accuracy['sketch'] >= 3 / 32
    assert accuracy['clean'] > max(.6, accuracy['sketch'])
