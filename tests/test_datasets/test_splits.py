"""Who gets which images: the few-shot draw and the own split."""
import hashlib
import json
import os
import random
from pathlib import Path

import pytest

from dept_mm.datasets import SplitFileDataset, draw_shots
from dept_mm.datasets.splits import (
    Item,
    Splits,
    draw_few_shot,
    hold_out,
    split_by_class,
)
from dept_mm.structures.vocabulary import Vocabulary

REPO = Path(__file__).parents[2]
DRAWS = json.loads((REPO / 'tests/data/fewshot_draws.json').read_text())
PUBLIC = dict(
    Caltech101=('split_zhou_Caltech101.json', '101_ObjectCategories'),
    OxfordFlowers=('split_zhou_OxfordFlowers.json', 'jpg'))


def test_groups_come_in_order_of_first_appearance():
    items = [Item(f'{i}.jpg', label)
             for i, label in enumerate([2, 0, 2, 1, 0, 2, 1, 1])]
    drawn = draw_shots(items, 2, 7)
    assert [item.label for item in drawn] == [2, 2, 0, 0, 1, 1]
    rng = random.Random(7)
    assert drawn == [
        *rng.sample([items[0], items[2], items[5]], 2),
        *rng.sample([items[1], items[4]], 2),
        *rng.sample([items[3], items[6], items[7]], 2)]


def test_short_class_gives_all_and_draws_nothing():
    items = [Item(f'{i}.jpg', label)
             for i, label in enumerate([0, 0, 1, 1, 1, 1])]
    # Label 0 has two images: they keep their order, the generator waits.
    assert draw_shots(items, 3, 1) == items[:2] + random.Random(1).sample(
        items[2:], 3)


def test_what_is_held_out_was_not_drawn():
    items = [Item(f'{i}.jpg', i % 3) for i in range(30)]
    splits = Splits(['ant', 'bee', 'cat'], items, [], [])
    held = hold_out(splits, 4, 7)
    few = draw_few_shot(held, 4, 7)
    assert few.train == draw_few_shot(splits, 4, 7).train
    assert held.train == items and len(few.val) == 12
    assert set(held.val) == set(items) - set(few.train)
    # A data set's own validation images stay.
    own = Splits(splits.classes, items[3:], items[:3], [])
    assert hold_out(own, 4, 7) is own


@pytest.mark.parametrize('number, sizes', [
    (1, (1, 0, 0)), (2, (1, 0, 1)), (3, (2, 0, 1)), (4, (2, 1, 1)),
    (5, (2, 1, 2)), (10, (5, 2, 3)), (20, (10, 4, 6))])
def test_split_by_class_sizes(number, sizes):
    items = [Item(f'{i:02d}.jpg', 0) for i in range(number)]
    splits = split_by_class(['ant'], items)
    parts = splits.train, splits.val, splits.test
    assert tuple(map(len, parts)) == sizes
    assert sorted(sum(parts, []), key=lambda item: item.path) == items


def test_split_by_class_is_a_function_of_the_paths():
    items = [Item(f'{i:02d}.jpg', label)
             for label in (0, 1) for i in range(10)]
    first = split_by_class(['ant', 'bee'], items)
    assert split_by_class(['ant', 'bee'], items[::-1]) == first
    # Another image of one class moves no image of another.
    more = split_by_class(['ant', 'bee'], [Item('99.jpg', 0), *items])
    for split in ('train', 'val', 'test'):
        assert [i for i in getattr(more, split) if i.label == 1] == [
            i for i in getattr(first, split) if i.label == 1]
    # The published rule, so that it never changes silently.
    order = list(range(10))
    random.Random(0).shuffle(order)
    assert [i.path for i in first.train if i.label == 0] == [
        f'{i:02d}.jpg' for i in sorted(order[:5])]
    assert [i.path for i in first.val if i.label == 0] == [
        f'{i:02d}.jpg' for i in sorted(order[5:7])]


def public_root(file):
    beside = REPO.parent / 'shared/splits'
    root = Path(os.environ.get('DEPT_MM_SPLITS', beside))
    if not (root / file).is_file():
        pytest.skip(f'{file} is not here; DEPT_MM_SPLITS says where it is')
    return root


def digest(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


@pytest.mark.parametrize('key', DRAWS)
def test_draws_of_the_public_code(key):
    """Sizes and hashes of what the public code draws.

    Each hash is the start of sha256 over the json of ``[[path, label, class
    name], ...]`` in the public order (``classnames``: of the list of names).
    The public code numbers the classes of a half from 0 on.
    """
    name, seed, shots, task = key.split('/')
    file, images = PUBLIC[name]
    root = public_root(file)
    cfg = dict(data_root=str(root), ann_file=file, data_prefix=images,
               task=task, num_shots=int(shots.removeprefix('shots')),
               seed=int(seed.removeprefix('seed')))
    expected = DRAWS[key]
    vocabulary = Vocabulary.resolve(dict(cfg, type='SplitFileDataset'))
    kept = dict(all=range(len(vocabulary)), base=vocabulary.base_labels,
                new=vocabulary.new_labels)[task]
    relabel = {label: i for i, label in enumerate(kept)}
    assert len(kept) == expected['num_classes']
    assert digest([vocabulary.names[i] for i in kept]) == expected[
        'classnames']
    for split in ('train', 'val', 'test'):
        dataset = SplitFileDataset(split=split, **cfg)
        infos = map(dataset.get_data_info, range(len(dataset)))
        items = [[Path(info['img_path']).relative_to(root).as_posix(),
                  relabel[info['gt_label']],
                  vocabulary.names[info['gt_label']]] for info in infos]
        assert len(items) == expected[f'n_{split}']
        assert digest(items) == expected[split]
