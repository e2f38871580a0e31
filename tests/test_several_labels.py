"""The page on several labels: its files train, and the model answers."""
import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmpretrain.structures import label_to_onehot
from pages import BLOCK
from PIL import Image
from sklearn.metrics import average_precision_score

from dept_mm import load
from dept_mm.config import apply_options, read_config
from dept_mm.datasets.drawings import HELD_OUT
from dept_mm.datasets.drawn_shapes import draw_key
from dept_mm.errors import DeptError

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'docs/datasets.md').read_text('utf-8')
NAMES = HELD_OUT[:4]


@pytest.fixture
def street(tmp_path):
    """Photos of two shapes each, and the file of the page that lists them."""
    (tmp_path / 'images').mkdir()
    rows = [('path', 'labels', 'split')]
    for i in range(16):
        pair = NAMES[i % 4], NAMES[(i + 1 + i // 4 % 3) % 4]
        photo = np.full((64, 64, 3), 128, np.uint8)
        photo[:32, :32], photo[32:, 32:] = (
            draw_key(f'{name}/{i}', 32) for name in pair)
        Image.fromarray(photo).save(tmp_path / f'images/{i}.png')
        rows.append((f'{i}.png', ';'.join(pair), ('train', 'test')[i // 8]))
    with open(tmp_path / 'list.csv', 'w', newline='') as file:
        csv.writer(file).writerows(rows)
    return write_block('my_street.py', tmp_path, '/path/to/street',
                       tmp_path.as_posix())


def write_block(name, folder, old, new):
    text, = (text for _, text in BLOCK.findall(PAGE)
             if text.startswith(f'# {name}'))
    assert old in text
    path = folder / Path(name).name
    path.write_text(text.replace(old, new))
    return path


def test_an_epoch(street, tmp_path):
    leaf = write_block('configs/mine/several.py', tmp_path, '..',
                       (ROOT / 'configs').as_posix())
    cfg = read_config(leaf, dataset=str(street), protocol='multi_label')
    work_dir = tmp_path / 'work_dir'
    apply_options(cfg, {
        'work_dir': str(work_dir), 'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1, 'param_scheduler': [],
        'train_dataloader.num_workers': 0, 'val_dataloader.num_workers': 0,
        'test_dataloader.num_workers': 0})
    runner = Runner.from_cfg(cfg)
    start = runner.model.head.bias.item()
    runner.train()
    assert runner.model.head.bias.item() != start
    found = runner.val_loop.run()
    assert found == pytest.approx(precision_of(runner))
    check_that_it_answers(load(work_dir), tmp_path)


@torch.no_grad()
def precision_of(runner):
    """What scikit-learn makes of the logits of the test images."""
    samples = [sample for batch in runner.val_dataloader
               for sample in runner.model.val_step(batch)]
    logits = torch.stack([sample.pred_logit for sample in samples])
    shown = torch.stack([
        label_to_onehot(sample.gt_label, len(NAMES)) for sample in samples])
    return {f'multi-label/{key}': 100 * average_precision_score(
        shown[:, columns], logits[:, columns], average='macro')
        for key, columns in (('mAP', [0, 1, 2, 3]), ('base_mAP', [0, 1]),
                             ('new_mAP', [2, 3]))}


def check_that_it_answers(model, folder):
    photos = sorted(map(str, (folder / 'images').iterdir()))[:2]
    for sample in model.module.predict(model.pixels(photos)):
        assert sample.pred_score.shape == (len(model.classes), )
        assert sample.pred_label.tolist() == (
            sample.pred_score >= .5).nonzero()[:, 0].tolist()
    with pytest.raises(DeptError, match='several classes'):
        model.predict(photos)
