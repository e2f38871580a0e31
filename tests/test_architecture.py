"""The page on the architecture: its examples run, its picture is current."""
import html
import re
import shutil
from pathlib import Path

import mmcv
import pytest

from dept_mm import build, train
from dept_mm.datasets.drawn_shapes import draw_key
from dept_mm.models import DePTHead

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'docs/architecture.md').read_text('utf-8')
FILES = dict(re.findall(r'^```python\n# (\S+\.py)\n(.*?)^```', PAGE,
                        re.M | re.S))
SMALL = {
    'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 1,
    'train_dataloader.num_workers': 0, 'val_dataloader.num_workers': 0,
    'train_dataloader.dataset.num_shots': 1, 'val_dataloader.dataset.indices':
    32, 'randomness.seed': 1}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The folder of somebody who has typed all files of the page."""
    for folder in ('_base_', 'coop'):
        shutil.copytree(ROOT / 'configs' / folder,
                        tmp_path / 'configs' / folder)
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def run(config, **choices):
    result = train(config, work_dir='work', options=SMALL, **choices)
    return next(iter(result['results']['tuned'].values()))


def test_a_learner(project):
    config = 'configs/mine/low_rank.py'
    learned = dict(build(config).named_parameters())
    assert {name: tuple(p.shape) for name, p in learned.items()} == {
        'backbone.prompt.left': (8, 2), 'backbone.prompt.right': (2, 64)}
    assert run(config)['base']['total'] > 0
    assert isinstance(build('configs/mine/dept-low_rank.py').head, DePTHead)


def test_a_head(project):
    assert run('configs/mine/learned_scale.py')['base']['total'] > 0
    head = build('configs/mine/learned_scale.py').head
    assert [name for name, _ in head.named_parameters()] == ['log_factor']


def test_a_data_set(project):
    for name in ('plain red star', 'dotted blue circle', 'striped red star',
                 'hollow green square'):
        for i in range(6):
            mmcv.imwrite(draw_key(f'{name}/train/{i:04d}')[..., ::-1],
                         str(project / 'photos' / f'{name}_{i:03d}.png'))
    found = run('configs/mine/coop_named_photos.py', dataset='my_photos.py')
    assert {half: len(counts['classes']) for half, counts in
            found.items()} == dict(base=2, new=2)


def test_every_file_of_the_page_is_used():
    assert len(FILES) == 8


def test_the_picture_is_drawn_from_the_text():
    labels = re.findall(r'label="([^"]+)"', (
        ROOT / 'docs/architecture.dot').read_text('utf-8'))
    picture = html.unescape((ROOT / 'docs/architecture.svg').read_text(
        'utf-8')).replace('\xa0', ' ')
    assert len(labels) > 20
    for line in (line for label in labels for line in label.split(r'\n')):
        assert re.sub(' +', ' ', line) in re.sub(' +', ' ', picture), line
