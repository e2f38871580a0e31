"""What the check of a data set finds."""
import json
from pathlib import Path

import pytest
from PIL import Image
from run_tool import run_tool

from dept_mm.reports import check
from dept_mm.structures import Vocabulary

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/check_dataset.py'


@pytest.fixture
def shop(tmp_path):
    """A user's own folder: three images of each class and split, and a
    config of four lines."""
    for split in ('train', 'test'):
        for i, name in enumerate(('red_mug', 'jug', 'T-Shirts', 't shirt')):
            folder = tmp_path / 'shop' / split / name
            folder.mkdir(parents=True)
            for k in range(3):
                Image.new('RGB', (40, 40), (60 * i, 50 * k, 9)).save(
                    folder / f'{k}.jpg')
    (tmp_path / 'shop.py').write_text(
        "dataset = dict(\n    type='FolderDataset',\n"
        "    data_root='shop',\n    template='a photo of a {}.')\n")
    return tmp_path


def run(*args):
    done = run_tool('check_dataset.py', *args)
    return done.returncode, done.stdout, done.stderr


def test_a_sound_data_set(shop):
    code, out, _ = run(shop / 'shop.py', shop / 'shop', '--clip',
                       'builtin:demo_clip', '--images', '7')
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert lines[1:7] == [['classes', '4'], ['train', '12'], ['val', '0'],
                          ['test', '12'], ['base_test', '6'],
                          ['new_test', '6']]
    assert lines[7][:3] == ['24', 'of', '24']
    assert "nearly equal: 'T-Shirts = t shirt'" in out
    assert "underscores (become spaces): 'red_mug'" in out
    assert 'of 7 test images among 4 classes (chance: 25.00 %)' in out
    assert 'FAULT' not in out


def test_faulty_files(shop):
    path = shop / 'shop/train/jug/1.jpg'
    path.write_bytes(path.read_bytes()[:200])
    (shop / 'list.csv').write_text(
        'path,label,split\ntrain/jug/1.jpg,jug,train\nno.jpg,jug,train\n'
        'test/jug/1.jpg,jug,test\ntest/jug/1.jpg,jug,train\n')
    (shop / 'csv.py').write_text(
        "dataset = dict(type='CSVDataset', ann_file='../list.csv')\n")
    code, out, error = run(shop / 'csv.py', shop / 'shop')
    assert code == 1
    assert '1 files missing' in out and 'no.jpg' in out
    assert '1 files unreadable' in out and 'jug/1.jpg' in out
    assert "1 images listed more than once: 'test/jug/1.jpg'" in out
    code, _, error = run(shop / 'csv.py', shop / 'shop', '--clip', 'x')
    assert code == 1 and 'repair the files first' in error


def test_counts_are_compared(tmp_path):
    """A Caltech101 from which all but two classes are gone."""
    folder = tmp_path / 'caltech-101'
    folder.mkdir()
    (folder / 'split_zhou_Caltech101.json').write_text(json.dumps(dict(
        train=[['a/1.jpg', 0, 'a'], ['b/1.jpg', 1, 'b']],
        test=[['a/2.jpg', 0, 'a']])))
    code, out, _ = run('caltech101', tmp_path, '--no-files')
    assert code == 1
    assert out.splitlines()[1].split() == [
        'classes', '2', 'FAULT', 'expected', '100']
    assert 'can be read' not in out


def test_unknown_name():
    code, _, error = run('caltech')
    assert code == 1 and "'caltech101'" in error


@pytest.mark.parametrize('names, ids, what', [
    (('cat', ' '), None, 'empty'), (('12', 'cat'), None, 'numbers'),
    (('crane', 'crane'), ('n1', 'n2'), 'more than once'),
    (('cat ', 'dog'), None, 'spaces around'),
    (('cat', 'very ' * 60 + 'long'), None,
     'too long for 77 tokens with 16 learned ones')])
def test_odd_names(names, ids, what):
    assert list(check.find_odd_names(Vocabulary(names, ids=ids))) == [what]


def test_longest_name_that_fits():
    """'a photo of a X.' has five tokens more than X; 59 may be used."""
    for words, odd in ((54, False), (55, True)):
        vocabulary = Vocabulary(('cat', ' '.join(['dog'] * words)))
        assert bool(check.find_odd_names(vocabulary)) == odd


def test_expected_counts_are_those_of_the_field():
    """Totals of the original data sets, as their authors give them."""
    totals = dict(pets=7349, cars=16185, flowers102=8189, food101=101000,
                  aircraft=10000, sun397=39700, dtd=5640, eurosat=27000,
                  ucf101=13320, caltech101=8242)
    for name, total in totals.items():
        found = check.read_expected_counts(name)
        assert found['train'] + found['val'] + found['test'] == total
        assert found['base_test'] + found['new_test'] == found['test']
    assert check.read_expected_counts('imagenet-a')['classes'] == 200
    configs = {p.stem for p in (ROOT / 'configs/_base_/datasets').glob('*.py')}
    without = [n for n in configs if not check.read_expected_counts(n)]
    assert sorted(without) == ['features', 'shapes']
