"""Split files, options and dumped configs of anybody: our own error or a
right answer, whatever is in them, and nothing of it executed."""
import json
from copy import deepcopy

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from dept_mm.cli.arguments import common_parser
from dept_mm.config import apply_options
from dept_mm.errors import DeptError
from dept_mm.exchange.recipe import parse_config
from dept_mm.registry import DATASETS

NAMES = 'cat', 'owl', 'red fox'
SPLIT = {split: [[f'{name}/{split}{i}.jpg', label, name]
                 for label, name in enumerate(NAMES) for i in range(2)]
         for split in ('train', 'val', 'test')}
ROWS = [f'{path},{name},{split}' for split, entries in SPLIT.items()
        for path, _, name in entries]


@pytest.fixture
def folders(tmp_path):
    for number in range(3):
        for split in ('train', 'test'):
            path = tmp_path / split / f'n{number}' / 'x.jpg'
            path.parent.mkdir(parents=True)
            path.write_bytes(b'')


FORMATS = dict(
    json=(json.dumps(SPLIT), dict(type='SplitFileDataset')),
    csv=('\n'.join(['path,label,split', *ROWS]), dict(type='CSVDataset')),
    lists=('\n'.join(f'{name}/{i}.jpg {i}' for name in NAMES
                     for i in range(9)),
           dict(type='PathPatternDataset', lists=dict(train='file'),
                pattern=r'(?P<label>.+?)/\d+\.jpg (\d+)')),
    class_file=('\n'.join(f'n{i} {n}' for i, n in enumerate(NAMES)),
                dict(type='FolderDataset', class_file='file',
                     ann_file='')))


@pytest.mark.parametrize('kind', FORMATS)
def test_split_files(kind, fuzz, folders, tmp_path):
    init_default_scope('mmpretrain')
    text, config = FORMATS[kind]
    # Else mmengine collects garbage for each of them.
    config = dict(dict(ann_file='file', lazy_init=True), **config,
                  data_root=str(tmp_path))
    originals = [text.encode()] + [SPLIT] * (kind == 'json')
    right = 0
    for data in fuzz(*originals):
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        (tmp_path / 'file').write_bytes(data)
        try:
            dataset = DATASETS.build(config)
            infos = dataset.load_data_list()
        except DeptError:
            continue
        right += 1
        classes = dataset.metainfo['classes']
        assert all(isinstance(name, str) for name in classes)
        assert {info['gt_label'] for info in infos} <= set(
            range(len(classes)))
        assert all(isinstance(info['img_path'], str) for info in infos)
    assert right


OPTIONS = (
    'train_cfg.max_epochs=3', 'clip.name=ViT-B-16', 'param_scheduler=[]',
    'model.head.losses=[(1,2),[a,b],(c,[d])]', 'clip.precision=bf16,fp32',
    'param_scheduler.0.type=X', 'model.backbone.prompt._delete_=True',
    "load_from=__import__('os').mkdir('harm')", 'dataset.template="{} a"')


def test_options(fuzz, small_run):
    whole, parser, right = small_run(), common_parser(''), 0
    for data in fuzz(*(text.encode() for text in OPTIONS)):
        text = data.decode('utf-8', 'surrogateescape')  # as sys.argv has it
        try:
            args = parser.parse_args(['x.py', f'--cfg-options={text}'])
            apply_options(deepcopy(whole), args.cfg_options)
        except DeptError:
            continue
        right += 1
    assert right


def test_dumped_configs(fuzz, small_run):
    """Checkpoints hold the text of a config, which is Python. (A config file
    itself is run by MMEngine, as it is meant to be.)"""
    texts = small_run().pretty_text, "a = __import__('os').mkdir('harm')\n"
    right = 0
    for data in fuzz(*(text.encode() for text in texts)):
        try:
            found = parse_config(data.decode('utf-8', 'surrogateescape'))
        except DeptError:
            continue
        right += 1
        assert isinstance(Config(json.loads(json.dumps(found))), Config)
    assert right
