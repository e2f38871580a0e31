"""Option sets that validation images choose."""
import pytest
from run_tool import run_tool

from dept_mm.errors import DeptError
from dept_mm.evaluation import find_results, write_result
from dept_mm.reports.summary import choose_recipes, group_results


def write(folder, tokens, seed, validated, tested, config='coop_x_pets-b2n'):
    """Write what a run with ``--select val`` would; counts of 100."""
    rows = dict(tuned=tested, selection=validated)
    (folder / f'{tokens}-{seed}').mkdir()
    write_result(folder / f'{tokens}-{seed}', dict(
        config=f'coop/{config}', dataset='pets', protocol='b2n', shots=16,
        seed=seed, recipe=f'{config}{tokens}', clip=None,
        fingerprint=f'{tokens}-{seed}', selection=dict(split='val'),
        settings=dict(model=dict(num_tokens=tokens), randomness=dict(
            seed=seed)),
        results={row: dict(pets=dict(base=dict(correct=correct, total=100)))
                 for row, correct in rows.items()
                 if correct is not None}))


@pytest.fixture
def sweep(tmp_path):
    """Four tokens are better on validation images, sixteen in the test."""
    for seed in (1, 2):
        write(tmp_path, 4, seed, 80 + seed, 60 + seed)
        write(tmp_path, 16, seed, 78 + seed, 90 + seed)
    return tmp_path


def test_the_test_has_no_part_in_it(sweep):
    kept, notes = choose_recipes(find_results([sweep]))
    assert {path.parent.name for path in kept} == {'4-1', '4-2'}
    assert notes == [
        'coop/coop_x_pets-b2n on pets: model.num_tokens=4 (81.50 on '
        'validation data, the best of 2 option sets)']


def test_summary(sweep):
    """Without the option, they are no seeds of one experiment."""
    refused = run_tool('summarize.py', sweep)
    assert 'different options' in refused.stderr
    done = run_tool('summarize.py', sweep, '--choose', 'val')
    assert done.returncode == 0, done.stderr
    assert '61.50 ± 0.71' in done.stdout and '91.50' not in done.stdout
    assert 'coop_x, epoch chosen on val' in done.stdout
    assert 'model.num_tokens=4' in done.stderr


def test_runs_that_chose_have_a_row_of_their_own(sweep):
    results = find_results([sweep / '4-1'])
    plain = {path.with_name('x'): dict(result, selection=None, recipe='x',
                                       fingerprint='x')
             for path, result in results.items()}
    (methods, ) = group_results(results | plain).values()
    assert set(methods) == {'coop_x', 'coop_x, epoch chosen on val'}


def test_what_cannot_be_compared(sweep):
    write(sweep, 16, 3, 99, 99)
    with pytest.raises(DeptError, match=r'\[1, 2, 3\].*\[1, 2\]'):
        choose_recipes(find_results([sweep]))
    write(sweep, 4, 3, None, 99)
    with pytest.raises(DeptError, match='4-3.*Train with --select val'):
        choose_recipes(find_results([sweep]))


def test_without_a_choice_nothing_is_needed(tmp_path):
    write(tmp_path, 4, 1, None, 99)
    results = find_results([tmp_path])
    assert choose_recipes(results) == (results, [])
