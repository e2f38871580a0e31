"""Tables and curves over the values of an option."""
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from run_tool import run_tool

from dept_mm.errors import DeptError
from dept_mm.evaluation import find_results, read_result, write_result
from dept_mm.reports.summary import (
    build_table,
    group_results,
    list_datasets,
    plot_curves,
    render,
)

TOOL = Path(__file__).parents[2] / 'tools/summarize.py'
COOP = 'coop_vit-base-p16_16shot'
DEPT = f'dept-{COOP}'


def result(folder, config, seed, base, new, shots=16, options='',
           dataset='pets'):
    """Write what a run would, with 100 images in each half."""
    folder.mkdir()
    write_result(folder, dict(
        config=f'x/{config}_pets-b2n', seed=seed, shots=shots,
        dataset=dataset, recipe=f'{config}{shots}{options}', clip=None,
        fingerprint=f'{config}{shots}{options}{seed}',
        settings=dict(model=dict(head=options or dict(type='CLIPHead'))),
        results=dict(tuned={dataset: dict(
            base=dict(correct=base, total=100),
            new=dict(correct=new, total=100))})))


def table_by(folder, option, **kwargs):
    (key, methods), = group_results(find_results([folder]), option).items()
    return build_table(*key, methods, by=option, **kwargs)


def cell(table, label, column, metric):
    row, = (r for r in table.rows if r.label == label)
    return row.cells[column, metric]


def summarize(*args):
    return run_tool('summarize.py', *args)


@pytest.fixture
def curves(tmp_path):
    """DePT over three weights, its host without; two seeds."""
    for seed in (1, 2):
        result(tmp_path / f'coop{seed}', COOP, seed, 56 + 4 * seed,
               36 + 4 * seed)
        for weight, base, new in ((.3, 62, 42), (.7, 70, 50), (1, 90, 20)):
            result(tmp_path / f'dept{weight}-{seed}', DEPT, seed,
                   base + 2 * seed, new + 2 * seed,
                   options=dict(loss_weight=weight))
    return tmp_path


def test_rows_by_an_option(curves):
    with pytest.raises(DeptError, match='--by'):
        group_results(find_results([curves]))
    table = table_by(curves, 'model.head.loss_weight')
    rows = [f'{DEPT}, loss_weight={w}' for w in (.3, .7, 1)]
    assert [row.label for row in table.rows] == [
        COOP, *(label for row in rows for label in (row, f'{row} - {COOP}'))]
    assert [(row.method, row.value) for row in table.rows
            if row.kind == 'run'] == [
        (COOP, None), (DEPT, .3), (DEPT, .7), (DEPT, 1)]
    assert cell(table, rows[1], 'pets', 'base').mean == 73
    # By seed: 72 - 60 and 74 - 64.
    found = cell(table, f'{rows[1]} - {COOP}', 'pets', 'base')
    assert (found.mean, found.std) == (11, pytest.approx(2 ** .5))


def test_rows_by_shots(tmp_path):
    """One table over shots; a host is compared at its own."""
    for shots in (4, 16, 8):
        for config, base in ((COOP, 50), (DEPT, 60)):
            result(tmp_path / f'{config}{shots}', config, 1, base + shots, 40,
                   shots)
    table = table_by(tmp_path, 'shots')
    assert table.title == 'b2n'
    assert [row.value for row in table.rows if row.method == DEPT] == [
        4, 8, 16]
    for shots in (4, 8, 16):
        label = f'{DEPT}, shots={shots} - {COOP}, shots={shots}'
        assert cell(table, label, 'pets', 'base').mean == 10


@pytest.mark.parametrize('option, table, wanted', [
    ('shots', 'dept_shots', {4: 78.94, 8: 80.73, 16: 83.66}),
    ('model.head.fusion_weight', 'dept_fusion_weight', {
        .0: 81.5, .1: 81.97, .3: 82.52, .5: 83.33, .7: 83.66, .9: 83.01,
        1.: 82.05})])
def test_published_curves(tmp_path, option, table, wanted):
    """They are averages of all eleven data sets."""
    for name in list_datasets():
        result(tmp_path / name, DEPT, 1, 80, 70, dataset=name,
               options=dict(fusion_weight=.7))
    found = table_by(tmp_path, option, compare_published=True)
    rows = [r for r in found.rows if r.kind == 'published']
    assert {r.value: r.cells['average', 'base'].mean for r in rows} == wanted
    assert {r.method for r in rows} == {f'dept-coop ({table})'}
    assert 'github.com/Koorye/DePT' in render([found], 'markdown')
    (tmp_path / f'{name}/result.json').unlink()
    found = table_by(tmp_path, option, compare_published=True)
    assert {r.kind for r in found.rows} == {'run'}


def test_curves(curves, monkeypatch):
    """What is drawn: a point for each weight, the host level."""
    seen = []
    monkeypatch.setattr(Figure, 'savefig', lambda self, _: seen.append(self))
    plot_curves([table_by(curves, 'model.head.loss_weight')], 'x.png',
                'loss_weight')
    axes = seen[0].axes
    assert [ax.get_ylabel() for ax in axes] == [
        'base in %', 'new in %', 'H in %']
    for ax, host, wanted in zip(axes[:2], (62, 42),
                                ([65, 73, 93], [45, 53, 23]), strict=True):
        over, = ax.containers
        assert over[0].get_xdata().tolist() == [.3, .7, 1]
        assert over[0].get_ydata().tolist() == wanted
        # Seeds differ by 2: a standard deviation of the root of 2.
        bar = over[2][0].get_segments()[0]
        assert bar[1][1] - bar[0][1] == pytest.approx(2 * 2 ** .5)
        assert [line.get_ydata() for line in ax.lines
                if line.get_linestyle() == '--'] == [[host, host]]


def test_by_at_the_command_line(curves, tmp_path):
    done = summarize(curves, '--by', 'model.head.loss_weight', '--plot',
                     tmp_path / 'x.svg')
    assert done.returncode == 0, done.stderr
    assert f'| {DEPT}, loss_weight=0.7 | 73.00 ± 1.41 |' in done.stdout
    assert '<svg' in (tmp_path / 'x.svg').read_text()
    assert 'no run has this option' in summarize(
        curves / 'coop1', '--by', 'train_cfg.max_epochs').stderr
    found = read_result(curves / 'coop1')
    for key in ('format', 'settings'):
        found.pop(key)
    write_result(curves / 'coop1', found)
    assert 'does not hold the options' in summarize(
        curves, '--by', 'train_cfg.max_epochs').stderr
