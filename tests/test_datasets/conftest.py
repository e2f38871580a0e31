"""One tiny data set, described in the three ways that users have."""
import csv
import json
import logging

import numpy as np
import pytest
from PIL import Image

SPLITS = ('train', 'val', 'test')


def _as_split_file(root, entries):
    content = {split: [] for split in SPLITS}
    names = sorted({name for _, name, _ in entries})
    for path, name, split in entries:
        content[split].append([path, names.index(name), name])
    (root / 'split.json').write_text(json.dumps(content))
    return dict(type='SplitFileDataset', ann_file='split.json',
                data_prefix='images')


def _as_csv(root, entries):
    with open(root / 'list.csv', 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['path', 'label', 'split'])
        writer.writerows(entries)
    return dict(type='CSVDataset', ann_file='list.csv', data_prefix='images')


def _as_folder(root, entries):
    return dict(type='FolderDataset', data_prefix='images')


KINDS = dict(
    split_file=_as_split_file, csv=_as_csv, folder=_as_folder)


@pytest.fixture
def make_tree(tmp_path):
    """``make_tree(counts, kind) -> config``.

    ``counts`` maps a class to its number of (train, val, test) images; they
    are written to images/SPLIT/CLASS/NUMBER.png.
    """

    def make(counts, kind):
        entries = []
        for name, numbers in counts.items():
            for split, number in zip(SPLITS, numbers, strict=True):
                folder = tmp_path / 'images' / split / name
                folder.mkdir(parents=True)
                for i in range(number):
                    pixels = np.full((4, 5, 3), len(entries), np.uint8)
                    Image.fromarray(pixels).save(folder / f'{i:02d}.png')
                    entries.append((f'{split}/{name}/{i:02d}.png', name,
                                    split))
        return dict(KINDS[kind](tmp_path, entries), data_root=str(tmp_path))

    return make


@pytest.fixture(params=KINDS)
def kind(request):
    """A way to describe a data set."""
    return request.param


@pytest.fixture
def warnings():
    """Warnings that mmengine's logger is given."""
    from mmengine.logging import MMLogger

    seen = []

    class Handler(logging.Handler):

        def emit(self, record):
            seen.append(record.getMessage())

    logger, handler = MMLogger.get_current_instance(), Handler(
        logging.WARNING)
    logger.addHandler(handler)
    yield seen
    logger.removeHandler(handler)
