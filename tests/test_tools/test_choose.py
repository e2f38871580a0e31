"""The choice of a method on validation images."""
import shlex
import sys
from pathlib import Path

import choose
import pytest
from _choose.methods import CONFIGS, METHODS, Method
from _choose.outcome import WHERE, sort_rows
from run_tool import run_tool

from dept_mm.config import read_config
from dept_mm.datasets import drawn_shapes
from dept_mm.evaluation import read_result
from dept_mm.reports import html
from dept_mm.reports.summary import Spread
from dept_mm.reports.summary.tables import Row

SOME = list(range(0, 256, 16))  # validation images of base and new classes
FEW = ['--cfg-options', 'train_cfg.max_epochs=1', 'param_scheduler=[]'] + [
    f'{name}_dataloader.num_workers=0' for name in ('train', 'val', 'test')
] + [f'{name}_dataloader.dataset.indices={SOME}'.replace(' ', '')
     for name in ('val', 'test')]
SHORT = (METHODS[1], METHODS[2])  # CoOp with and without DePT


@pytest.fixture
def tiny(clip, tmp_path):
    """The demo's file of --clip, with the smallest CLIP."""
    text = (CONFIGS / '_base_/clip/demo.py').read_text()
    old = "clip = dict(name='builtin:demo_clip')"
    assert old in text
    path = tmp_path / 'tiny.py'
    path.write_text(text.replace(old, f'clip = {clip!r}'))
    return path


@pytest.fixture
def call(monkeypatch, tiny, tmp_path, capsys):
    """A function that runs the tool in this process, as do its jobs."""
    class Here(choose.Job):
        def __call__(self):
            return run_tool('train.py', *self.command()[2:]).returncode

    monkeypatch.setattr(choose, 'Job', Here)
    # The tool's own report is drawn, not that of each run.
    monkeypatch.setattr(html, 'try_report', lambda folder: None)

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [
            'choose.py', 'shapes', '--clip', str(tiny), '--shots', '2',
            '--root', str(tmp_path / 'root'), *args, '--feature-dir',
            str(tmp_path / 'features'), *FEW])
        choose.main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def splits_read(monkeypatch):
    """The splits of all drawings that were drawn."""
    seen, draw = set(), drawn_shapes.draw_key

    def note(key, *args):
        seen.add(key.split('/')[1])
        return draw(key, *args)

    monkeypatch.setattr(drawn_shapes, 'draw_key', note)
    return seen


@pytest.mark.slow
def test_from_the_short_list_to_a_command(call, splits_read, monkeypatch,
                                          tmp_path):
    """No test image is read before the last command, which reads them."""
    monkeypatch.setattr(choose, 'METHODS', SHORT)
    text = call('--keep', '1')
    assert splits_read == {'train', 'val'}
    folder = tmp_path / 'root/shapes'
    assert (folder / 'costs.png').stat().st_size > 1000
    for stage, count in (('stored', 2), ('full', 1)):
        assert (folder / stage / 'report.html').is_file()
        assert len(list((folder / stage).glob('*/result.json'))) == count
    rows = [line for line in text.splitlines() if line.startswith('| CoOp')]
    assert len(rows) == 3
    # CoOp trains 16 words of 32 channels, DePT more.
    counts = {row.split('|')[1].split()[0]:
              int(row.split('|')[6].replace(',', '')) for row in rows}
    assert counts['CoOp'] == 16 * 32 < counts['CoOp+DePT']
    scores = [float(row.split('|')[4]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    # What is finished is not repeated.
    monkeypatch.setattr(choose, 'try_report', lambda folder: None)
    again = call('--keep', '1')
    assert '->' in text and '->' not in again
    assert again.splitlines()[-1] == text.splitlines()[-1]
    script, *command = shlex.split(text.splitlines()[-1])[1:]
    assert Path(script).name == 'train.py'
    done = run_tool('train.py', *command, '--work-dir', tmp_path / 'best')
    assert not done.returncode, done.stderr
    assert 'test' in splits_read
    best = read_result(tmp_path / 'best')
    full, = map(read_result, (folder / 'full').glob('*/result.json'))
    assert (best['config'], best['shots']) == (full['config'], 2)


def test_a_dry_run_lists_the_trainings(call, tmp_path):
    """Block numbers are those of a CLIP with two blocks."""
    lines = call('--dry-run').splitlines()
    assert len(lines) == len(METHODS) + 1
    # Among them is one whose own recipe differs.
    assert sum('--recipe dept_clean_10e' in line for line in lines) == len(
        METHODS)
    cut = [word for line in lines for word in line.split()
           if word.startswith('model.backbone.prompt')]
    assert cut == ['model.backbone.prompt.depth=2',
                   'model.backbone.prompt.first_block=2']
    stored = ['--cache-features 1' in line for line in lines]
    assert sum(stored) == sum(m.frozen_image for m in METHODS)
    assert not (tmp_path / 'root').exists()


@pytest.mark.parametrize('method', METHODS, ids=lambda m: m.name)
def test_the_table_names_what_is_there(method: Method):
    """DePT where the name says so, and the numbers that the configs have."""
    model = read_config(CONFIGS / method.config).model
    assert (model.head.type == 'DePTHead') == method.name.endswith('+DePT')
    for key, value in method.blocks.items():
        option = key.removeprefix('model.backbone.prompt.')
        assert model.backbone.prompt.get(option, value) == value


def test_rows_without_a_result_are_left_out():
    low, high = (Row(name, 'run', {(WHERE, 'H'): Spread(h)})
                 for name, h in (('low', 1.), ('high', 2.)))
    assert sort_rows([None, low, high]) == [high, low]
