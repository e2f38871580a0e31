"""Results over what a training took, and standard errors."""
import pytest
from matplotlib.figure import Figure
from run_tool import run_tool

from dept_mm.errors import DeptError
from dept_mm.evaluation import find_results, write_result
from dept_mm.reports.summary import (
    Spread,
    build_table,
    group_results,
    plot_costs,
    plot_curves,
    render,
)
from dept_mm.reports.summary.pareto import find_front

GB = 10 ** 9


@pytest.fixture
def runs(tmp_path):
    """Two seeds of a fast method, a good one, and one that the good beats."""
    for name, seconds, memory, accuracy in (
            ('fast', 10, 2, 70), ('good', 20, 1, 80), ('slow', 30, 2, 75)):
        for seed in (1, 2):
            folder = tmp_path / f'{name}{seed}'
            folder.mkdir()
            write_result(folder, dict(
                config=f'language/{name}_minilm', protocol='demo', shots=None,
                seed=seed, dataset='reviews', recipe=name, clip=None,
                fingerprint=f'{name}{seed}',
                settings=dict(model=dict(layer=seconds // 10)),
                seconds=dict(train=seconds + 2 * seed),
                parameters=100 * memory,
                peak_memory=dict(process=9 * GB, cuda=memory * GB),
                results=dict(tuned=dict(reviews=dict(
                    metrics=dict(accuracy=accuracy + 2. * seed))))))
    return tmp_path


@pytest.fixture
def drawn(monkeypatch):
    seen = []
    monkeypatch.setattr(Figure, 'savefig', lambda self, _: seen.append(self))
    return seen


def table_of(folder, by=None):
    (key, methods), = group_results(find_results([folder]), by).items()
    return build_table(*key, methods, by=by)


def test_costs_are_averaged_over_runs(runs):
    fast = table_of(runs).rows[0]
    assert {cost: (found.mean, found.std) for cost, found in
            fast.costs.items()} == {
        'training in s': (13, pytest.approx(2 ** .5)),
        'peak memory in GB': (2, 0), 'trained parameters': (200, 0)}


def test_a_panel_for_each_cost(runs, drawn):
    """The front of seconds is fast and good, those of memory and
    parameters good alone."""
    plot_costs([table_of(runs)], 'x.png')
    seconds, memory, parameters = drawn[0].axes
    assert [ax.get_xlabel() for ax in drawn[0].axes] == [
        'training in s', 'peak memory in GB', 'trained parameters']
    assert [text.get_text() for text in seconds.texts] == [
        'language/fast_minilm', 'language/good_minilm',
        'language/slow_minilm']
    drawn[0].draw_without_rendering()
    for ax in drawn[0].axes:
        inside = ax.get_window_extent()
        for text in ax.texts:
            where = text.get_window_extent()
            assert inside.x0 <= where.x0 and where.x1 <= inside.x1
    fronts = [next(line.get_xydata().tolist() for line in ax.lines
                   if line.get_linestyle() == '--')
              for ax in (seconds, memory, parameters)]
    assert fronts == [[[13, 73], [23, 83]], [[1, 83]], [[100, 83]]]


def test_the_front_by_hand():
    points = [(3, 5), (1, 2), (2, 5), (2, 5), (1, 1), (4, 6), (5, 6), (0, 0)]
    assert find_front(points) == [(0, 0), (1, 2), (2, 5), (4, 6)]
    assert find_front([]) == []


def test_runs_without_costs(runs):
    results = {path: {key: value for key, value in found.items()
                      if key not in ('seconds', 'peak_memory', 'parameters')}
               for path, found in find_results([runs]).items()}
    (key, methods), = group_results(results).items()
    with pytest.raises(DeptError, match='CostHook'):
        plot_costs([build_table(*key, methods)], 'x.png')


def test_standard_errors(runs, drawn):
    """The values 1, 3, 1, 3 have a deviation of 2 / sqrt(3)."""
    spread = Spread.from_values([1, 3, 1, 3])
    assert spread.around('error') == pytest.approx(1 / 3 ** .5)
    assert Spread(1.).around('error') is None
    # Seeds differ by 2: one standard error is 1.
    assert '73.00 ± 1.00' in render([table_of(runs)], 'markdown', 'error')
    option = 'model.layer'
    plot_curves([table_of(runs, option)], 'x.png', option, 'error')
    low, high = drawn[0].axes[0].containers[0][2][0].get_segments()[0][:, 1]
    assert high - low == pytest.approx(2)


def test_ticks_of_whole_numbers_are_whole(runs, drawn):
    """There is no block 1.5, nor half a token."""
    option = 'model.layer'
    plot_curves([table_of(runs, option)], 'x.png', option)
    assert all(x == int(x) for x in drawn[0].axes[0].get_xticks())


def test_the_tool(runs):
    done = run_tool('summarize.py', runs, '--error', '--costs', '--plot',
                    runs / 'costs.png')
    assert not done.returncode, done.stderr
    assert 'standard error over seeds' in done.stdout
    assert (runs / 'costs.png').read_bytes()[:4] == b'\x89PNG'
