"""Images classified on the command line."""
import csv
import json
from pathlib import Path

import pytest
from PIL import Image
from run_tool import run_tool

import dept_mm
from dept_mm.datasets.drawn_shapes import draw_key
from dept_mm.exchange import write_adapter

ROOT = Path(__file__).parents[2]
CLASSES = ('plain blue star', 'hollow red moon', 'plain yellow moon')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Three photos, a file that is none, and an adapter of a CoOp+DePT that
    is not trained, on the CLIP of the package."""
    folder = tmp_path_factory.mktemp('predict')
    (folder / 'photos').mkdir()
    for name in CLASSES:
        image = draw_key(f'{name}/test/0000', style='clean')
        Image.fromarray(image).save(folder / 'photos' / f'{name}.png')
    (folder / 'photos' / 'broken.jpg').write_bytes(b'nothing')
    config = dept_mm.config.read_config(ROOT / 'configs/dept/quickstart.py')
    module = dept_mm.build(config)
    write_adapter(folder / 'x.safetensors', module.state_dict(),
                  dict(model=config.model.to_dict()))
    return folder


def predict(folder, *args):
    return run_tool('predict.py', 'x.safetensors', *args, cwd=folder)


def test_a_table_of_all_that_can_be_read(folder):
    found = predict(folder, 'photos', '-k', '2', '--workers', '1',
                    '--batch-size', '1', '--devices', 'cpu', 'cpu')
    lines = found.stdout.splitlines()
    assert [line.split('.png')[0] for line in lines] == [
        f'photos/{name}' for name in sorted(CLASSES)]
    model = dept_mm.load(folder / 'x.safetensors')
    for line, name in zip(lines, sorted(CLASSES), strict=True):
        one, = model.predict(folder / f'photos/{name}.png')
        assert f'  {one.classes[0]} ' in line
        assert f' {100 * one.probabilities[1]:.1f} %' in line
    assert found.returncode == 1
    assert '1 of 4 images cannot be read:' in found.stderr
    assert 'broken.jpg (it is no image)' in found.stderr


def test_names_beside_the_trained_ones_or_in_place_of_them(folder):
    (folder / 'names.txt').write_text('owl\n\nplain blue star\n')
    found = predict(folder, 'photos/*star.png', '--out', 'x.json',
                    '--classes-file', 'names.txt', '--classes', 'sea horse')
    assert found.returncode == 0, found.stderr
    assert found.stdout == '1 images classified: x.json\n'
    row, = json.loads((folder / 'x.json').read_text())
    assert {c['name'] for c in row['classes']} == {
        'owl', 'plain blue star', 'sea horse'}
    found = predict(folder, 'photos/*star.png', '--classes', 'owl', '--also',
                    '-k', '99', '--out', 'x.jsonl', '--threshold', '1')
    row, = map(json.loads, (folder / 'x.jsonl').read_text().splitlines())
    assert len(row['classes']) == 33 and row['prediction'] == 'none of these'


def test_a_temperature_is_kept(folder):
    config = ROOT / 'configs/dept/quickstart.py'
    raw = predict(folder, 'photos/plain*.png').stdout
    found = predict(folder, 'photos/plain*.png', '--calibrate', '--config',
                    config)
    assert found.returncode == 0, found.stderr
    assert 'kept in x.safetensors' in found.stdout
    assert '64 validation images: ' in found.stdout
    temperature = dept_mm.load(folder / 'x.safetensors').temperature
    assert found.stdout.startswith(f'temperature {temperature:.3f}, ')
    later = predict(folder, 'photos/plain*.png').stdout
    assert later != raw and found.stdout.endswith(later)


def test_sets_and_unknown_images(folder):
    found = predict(folder, 'photos/plain*.png', '--calibrate', '--config',
                    ROOT / 'configs/dept/quickstart.py', '--coverage', '.98',
                    '--sets', 'lac', '--out', 'x.csv', '-k', '1')
    assert found.returncode == 0, found.stderr
    model = dept_mm.load(folder / 'x.safetensors')
    photos = [folder / f'photos/{name}.png' for name in sorted(CLASSES[::2])]
    expected = model.predict(photos, 1, coverage=.98, sets='lac')
    with open(folder / 'x.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['set'].split('; ') for row in rows] == [
        list(one.set) for one in expected]
    assert len(expected[0].set) > 1 and 'class_2' not in rows[0]
    shown = predict(folder, photos[0], '--coverage', '.98', '--sets', 'lac',
                    '--unknown', 'energy', '--accept', '.02', '-k', '30',
                    '--out', 'x.jsonl')
    assert not shown.returncode and not shown.stderr
    row = json.loads((folder / 'x.jsonl').read_text())
    assert row['set'] == list(expected[0].set) and len(row['classes']) == 30
    assert row['prediction'] == 'none of these'
    line = predict(folder, photos[0], '--coverage', '.98', '--sets', 'lac',
                   '--classes', *model.classes)
    assert line.stdout.count(' %') == len(expected[0].set)
    assert line.stderr.startswith('note: --coverage')
    found = predict(folder, photos[0], '--coverage', '.99')
    assert '64 scores of validation images allow no' in found.stderr


@pytest.mark.parametrize('args, words', [
    ([], 'There are no images: give files'),
    (['photos/x.png'], 'Image not found'),
    (['photos', '-k', '0'], 'k is 0'),
    (['photos', '--also'], 'There are no class names'),
    (['photos', '--classes-file', 'nowhere'], 'there is no such file'),
    (['photos', '--classes', 'cat', 'cat'], 'listed more than once'),
    (['photos', '--out', 'x.xlsx'], 'must end in one of'),
    (['photos', '--clip', 'nonsense'], 'nonsense'),
    (['photos', '--batch-size', '0'], 'batch_size is 0'),
    (['http://localhost/a.png'], '--allow-urls'),
    (['photos', '--distance-aware'], 'is a way to --calibrate'),
    (['--calibrate'], 'or --config CONFIG')])
def test_mistakes(folder, args, words):
    found = predict(folder, *args)
    assert found.returncode == 1 and not found.stdout
    assert found.stderr.startswith('error: ') and words in found.stderr
