"""Tables over runs, against tables worked out by hand."""
import csv
import io
from pathlib import Path

import pytest
from run_tool import run_tool

from dept_mm.errors import DeptError
from dept_mm.evaluation import find_results, read_result, write_result
from dept_mm.reports.summary import (
    Spread,
    build_table,
    compute_t_quantile,
    group_results,
    load_published_tables,
    render,
)

ROOT = Path(__file__).parents[2]
NAME = '{0}/{0}_vit-base-p16_16shot_caltech101-{1}'


def result(folder, method, seed, rows, protocol='b2n', dataset=None, **other):
    """Write what a run would; rows: row -> data set -> (base, new)."""
    folder.mkdir(parents=True, exist_ok=True)
    write_result(folder, dict(dict(
        config=NAME.format(method, protocol), seed=seed, shots=16,
        dataset=dataset or next(iter(rows['tuned'])), recipe=f'{method}',
        fingerprint=f'{method}{seed}', clip=dict(name='ViT'),
        results={row: {name: {
            half: dict(correct=value, total=100)
            for half, value in zip(('base', 'new'), values, strict=False)}
            for name, values in found.items()} for row, found in rows.items()
        }), **other))


@pytest.fixture
def runs(tmp_path):
    """Two methods, two data sets, two seeds."""
    numbers = dict(
        coop=dict(pets=[(80, 50), (84, 60)], dtd=[(60, 40), (64, 40)]),
        **{'dept-coop': dict(pets=[(90, 50), (90, 70)],
                             dtd=[(70, 30), (74, 50)])})
    for method, datasets in numbers.items():
        for name, seeds in datasets.items():
            for seed, values in enumerate(seeds, 1):
                result(tmp_path / method / name / str(seed), method, seed,
                       {'zero-shot': {name: (60, 40)},
                        'tuned': {name: values}})
    return tmp_path


def table_of(folder, **kwargs):
    (key, methods), = group_results(find_results([folder])).items()
    return build_table(*key, methods, **kwargs)


def cell(table, label, column, metric):
    row, = (r for r in table.rows if r.label == label)
    return row.cells[column, metric]


COOP = 'coop_vit-base-p16_16shot'
DEPT = f'dept-{COOP}'


def test_base_to_new(runs):
    table = table_of(runs, order=['pets', 'dtd'])
    assert table.title == 'b2n, 16 shots'
    assert table.columns == ['average', 'pets', 'dtd']
    assert [row.label for row in table.rows] == [
        COOP, DEPT, f'{DEPT} - {COOP}', 'zero-shot_ViT']
    # Pets: 80, 84 and 50, 60. H of 82 and 55; of 80, 50 and of 84, 60.
    pets = {m: cell(table, COOP, 'pets', m) for m in table.metrics}
    assert pets['base'].mean == 82
    assert pets['base'].std == pytest.approx(8 ** .5)
    # t(1) = 12.706, over the root of two seeds.
    assert pets['base'].half_width == pytest.approx(12.706 * 2, abs=.001)
    assert pets['H'].mean == pytest.approx(2 * 82 * 55 / 137)
    assert pets['H'].std is None
    assert pets['mean of H'].mean == pytest.approx(
        (2 * 80 * 50 / 130 + 2 * 84 * 60 / 144) / 2)
    # The average: base 70, 74 and new 45, 50 by seed.
    mean = {m: cell(table, COOP, 'average', m) for m in table.metrics}
    assert (mean['base'].mean, mean['new'].mean) == (72, 47.5)
    assert mean['H'].mean == pytest.approx(2 * 72 * 47.5 / 119.5)
    assert mean['mean of H'].mean == pytest.approx(
        (2 * 70 * 45 / 115 + 2 * 74 * 50 / 124) / 2)
    assert mean['new'].std == pytest.approx(12.5 ** .5)
    assert cell(table, 'zero-shot_ViT', 'average', 'H').mean == 48


def test_differences_are_paired_by_seed(runs):
    table = table_of(runs)
    label = f'{DEPT} - {COOP}'
    base = cell(table, label, 'pets', 'base')  # 90 - 80, 90 - 84
    assert (base.mean, base.std) == (8, pytest.approx(8 ** .5))
    # H of 90, 60 and of 82, 55.
    assert cell(table, label, 'pets', 'H').mean == pytest.approx(
        72 - 2 * 82 * 55 / 137)
    # With other seeds it is that of the means.
    (runs / 'coop/pets/2/result.json').unlink()
    base = cell(table_of(runs), label, 'pets', 'base')
    assert (base.mean, base.std) == (10, None)


def test_zero_shot_is_a_host(tmp_path):
    """It was measured on the side, before training, once for all seeds."""
    for seed in (1, 2):
        result(tmp_path / str(seed), 'dept-zero-shot', seed, {
            'zero-shot': dict(pets=(60, 40)),
            'tuned': dict(pets=(70 + 4 * seed, 40))})
    found = cell(table_of(tmp_path), 'dept-zero-shot_vit-base-p16_16shot - '
                 'zero-shot_ViT', 'pets', 'base')
    assert found.mean == 16


def test_averages_need_every_data_set(runs):
    for seed in '12':
        (runs / f'coop/dtd/{seed}/result.json').unlink()
    row = table_of(runs).rows[0]
    assert row.label == COOP and ('average', 'base') not in row.cells
    assert row.cells['pets', 'base'].mean == 82


def test_cross_dataset_leaves_the_source_out(tmp_path):
    result(tmp_path, 'coop', 1, {'tuned': dict(
        imagenet=(70, ), pets=(90, ), dtd=(40, ))}, 'xd')
    table = table_of(tmp_path, order=['imagenet', 'pets', 'dtd'])
    assert table.averaged == ['pets', 'dtd']
    assert table.metrics == ['base']
    assert cell(table, COOP, 'average', 'base') == Spread(65)
    assert render([table], 'markdown').splitlines()[2:] == [
        '| method | average of 2 | imagenet | pets | dtd |',
        '| --- | --- | --- | --- | --- |',
        f'| {COOP} | 65.00 | 70.00 | 90.00 | 40.00 |']


def test_published_rows(tmp_path):
    """The published seeds' means give the published table."""
    known = load_published_tables()['dept']['rows']['dept-coop']
    for name, (base, new, _) in known.items():
        if name != 'average':
            result(tmp_path / name, 'dept-coop', 1,
                   {'tuned': {name: (base, new)}})
    table = table_of(tmp_path, compare_published=True)
    labels = [row.label for row in table.rows]
    assert labels == [DEPT, 'dept-coop (dept)']
    for column, values in known.items():
        for metric, value in zip(('base', 'new', 'H'), values, strict=True):
            assert cell(table, DEPT, column, metric).mean == pytest.approx(
                value, abs=.0151)
            assert cell(table, labels[1], column, metric).mean == value
    text = render([table], 'markdown')
    assert '| average of 11 base |' in text and 'Koorye/DePT' in text


def test_a_test_of_a_training_counts_once(tmp_path):
    result(tmp_path, 'coop', 1, {'tuned': dict(pets=(80, 50))})
    found = read_result(tmp_path)
    found['results'] = {'tested': dict(pets=dict(
        base=dict(correct=1, total=2)))}
    found.pop('format')
    (tmp_path / 'a').mkdir()
    write_result(tmp_path / 'a', found)
    assert cell(table_of(tmp_path), COOP, 'pets', 'base') == Spread(80)


def test_tests_of_two_checkpoints_are_no_mean(tmp_path):
    for name, correct in (('a', 80), ('b', 81)):
        result(tmp_path / name, 'coop', 1, {'tested': dict(
            pets=(correct, 50))}, dataset='pets')
    with pytest.raises(DeptError, match='two checkpoints'):
        table_of(tmp_path)


@pytest.mark.parametrize('other', [
    dict(recipe='longer', seed=2), dict(fingerprint='another')])
def test_other_options_are_not_another_seed(tmp_path, other):
    rows = {'tuned': dict(pets=(80, 50))}
    result(tmp_path / 'a', 'coop', 1, rows)
    result(tmp_path / 'b', 'coop', **dict(dict(seed=1), rows=rows, **other))
    with pytest.raises(DeptError, match='different options'):
        table_of(tmp_path)


@pytest.mark.parametrize('df, value', [
    # As in printed tables.
    (1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262),
    (10, 2.228), (30, 2.042), (1000, 1.962)])
def test_student_t(df, value):
    assert compute_t_quantile(df) == pytest.approx(value, abs=.0005)


def test_spread_of_three_seeds():
    """1, 2, 3: standard deviation 1, 4.303 / sqrt(3) around the mean."""
    found = Spread.from_values([1., 2., 3.])
    assert (found.mean, found.std, found.n) == (2, 1, 3)
    assert found.half_width == pytest.approx(2.484, abs=.001)
    assert Spread.from_values([]) is None


def summarize(*args):
    return run_tool('summarize.py', *args)


def test_the_tool(runs, tmp_path):
    picture = tmp_path / 'plot.png'
    done = summarize(runs, '--format', 'csv', '--compare-published', '--plot',
                     picture)
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    one, = (line for line in lines if line['row'] == COOP
            and line['column'] == 'dtd' and line['metric'] == 'base')
    assert one == {
        'table': 'b2n, 16 shots', 'row': COOP, 'kind': 'run',
        'column': 'dtd', 'metric': 'base', 'mean': '62.0000',
        'std': '2.8284', 'low': '36.5876', 'high': '87.4124', 'seeds': '2'}
    assert {line['row'] for line in lines if line['kind'] == 'published'} == {
        'coop (dept)', 'dept-coop (dept)', 'coop (own_recipes)',
        'zero-shot (own_recipes)'}
    assert picture.read_bytes()[:4] == b'\x89PNG'


def test_latex_and_faults(runs, tmp_path_factory):
    text = render([table_of(runs)], 'latex', 'interval')
    assert r'coop\_vit-base-p16\_16shot' in text and r'$\pm$ 25.41' in text
    assert text.count('&') == 12 * 5  # a head and four rows
    empty = tmp_path_factory.mktemp('empty')
    assert 'No result.json below' in summarize(empty).stderr
    (empty / 'result.json').write_text('{"format": 99}')
    with pytest.raises(DeptError, match='format 99'):
        read_result(empty)
    (empty / 'result.json').write_text('[1')
    with pytest.raises(DeptError, match='no result of a run'):
        read_result(empty)
