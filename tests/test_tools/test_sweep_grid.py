"""The runs of a sweep: points of a grid, and their folders."""
from pathlib import Path

import pytest
from _sweep import grid

from dept_mm.cli.arguments import load_config
from dept_mm.config import config_fingerprint
from dept_mm.errors import DeptError

ROOT = Path(__file__).parents[2]

COOP, DEPT = (str(ROOT / f'configs/{n}/quickstart.py')
              for n in ('coop', 'dept'))


def test_all_points_seeds_beside_each_other():
    points = grid.expand(['a.py', 'b.py'], ['dtd', 'pets'], ['p'], [4], [1, 2],
                         ['x.lr=0.1,0.2', 'y,z=[1,2],(3,[4,5]),6'])
    assert len(points) == len(set(points)) == 2 * 2 * 1 * 2 * 3 * 2
    assert points[0] == ('a.py', 'dtd', 'p', 4, (
        ('x.lr', '0.1'), ('y', '[1,2]'), ('z', '[1,2]')), 1)
    assert points[1] == (*points[0][:-1], 2)
    assert points[-1].arguments() == (
        'b.py', '--seed', '2', '--dataset', 'pets', '--protocol', 'p',
        '--cfg-options', 'x.lr=0.2', 'y=6', 'z=6', f'{grid.SHOTS}=4')


@pytest.mark.parametrize('text', ['key', 'key=', 'key=1,', '=1', 'a,=1'])
def test_a_setting_that_is_none(text):
    with pytest.raises(DeptError, match='--set'):
        grid.parse_setting(text)


@pytest.mark.parametrize('text, values', [
    ("dict(a='b, c'),{'d': [1, 2]},3", ["dict(a='b, c')", "{'d': [1, 2]}",
                                        '3']),
    ("'a, {}','b (c'", ["'a, {}'", "'b (c'"]),
    ("cat's,dog's", ["cat's", "dog's"]),
])
def test_values_with_commas(text, values):
    assert grid.parse_setting(f'key={text}') == [
        (('key', value), ) for value in values]


def test_dicts_replace_parts_of_a_config(tmp_path):
    prompts = ("dict(type='CoOpPrompt', num_tokens=3, _delete_=True)",
               "{'type': 'CoCoOpPrompt', '_delete_': True, 'reduction': 5}")
    points = grid.expand([COOP], [], [], [], [1], [
        'model.backbone.prompt=' + ','.join(prompts)])
    runs = grid.make_runs(points, tmp_path, [])
    found = [dict(load_config(grid.parse_args(run.arguments))
                  .model.backbone.prompt) for run in runs]
    assert found == [dict(type='CoOpPrompt', num_tokens=3),
                     dict(type='CoCoOpPrompt', reduction=5)]
    assert [run.work_dir.name.rpartition('_')[0] for run in runs] == [
        'coop-quickstart_prompt=CoOpPrompt-num_tokens=3',
        'coop-quickstart_prompt=CoCoOpPrompt-reduction-5']


def test_configs_are_resolved_as_in_training(tmp_path):
    points = grid.expand([DEPT], [], [], [1, 2], [5], [
        'model.head.loss_weight,model.head.fusion_weight=0.1,0.3'])
    runs = grid.make_runs(points, tmp_path, ['--amp'])
    seen = set()
    for run in runs:
        args = grid.parse_args(run.arguments)
        cfg = load_config(args)
        head, data = cfg.model.head, cfg.train_dataloader.dataset
        assert head.loss_weight == head.fusion_weight
        assert data.seed == cfg.randomness.seed == 5 and args.amp
        seen.add((data.num_shots, head.loss_weight))
        grid.merge_args(cfg, args)
        assert run.fingerprint == config_fingerprint(cfg)
        assert run.work_dir.name.endswith(f'-{run.fingerprint[:8]}')
    assert seen == {(1, .1), (1, .3), (2, .1), (2, .3)}
    assert len({run.work_dir for run in runs}) == 4


def test_one_config_is_one_folder(tmp_path):
    """However it is written; another number of processes is another run."""
    def folders(*points, processes=1):
        return [r.work_dir for r in grid.make_runs(
            grid.expand(*points), tmp_path, [], processes)]
    first, second = folders(
        [COOP], [None, 'shapes'], [], [], [1], [])
    assert first == second
    first.mkdir()
    assert folders([COOP], ['shapes'], ['base_to_new_16shot'], [16], [1],
                   []) == [first]
    assert folders([COOP], [], ['few_shot_16shot'], [], [1], []) != [first]
    assert folders([COOP], [], [], [], [1], [], processes=2) != [first]
    assert folders([COOP], [], [], [], [2], []) != [first]


def test_options_of_the_sweep_itself(tmp_path):
    with pytest.raises(DeptError, match='--work-dir=x is set by the sweep'):
        grid.make_runs([], tmp_path, ['--amp', '--work-dir=x'])
    with pytest.raises(DeptError, match='--dry-run leaves no result'):
        grid.make_runs([], tmp_path, ['--dry-run'])
