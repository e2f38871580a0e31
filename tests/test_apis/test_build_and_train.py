"""From a config to a model, and to a trained one."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import dept_mm
from dept_mm import apis
from dept_mm.config import apply_options, set_seed_options
from dept_mm.errors import DeptError
from dept_mm.evaluation import accuracy, read_result

QUICKSTART = Path(__file__).parents[2] / 'configs/dept/quickstart.py'


def test_the_room_holds_these():
    for name in apis.__all__:
        assert getattr(apis, name).__module__.startswith('dept_mm.apis.')
    for name in ('build', 'load', 'train'):
        assert getattr(dept_mm, name) is getattr(apis, name)


@pytest.fixture
def runner(options, tmp_path):
    """MMEngine's own runner of the same config and seed."""
    cfg = Config.fromfile(QUICKSTART)
    set_seed_options(cfg, 2)
    apply_options(cfg, dict(options, work_dir=str(tmp_path)))
    return Runner.from_cfg(cfg)


def test_it_builds_what_training_starts_from(options, runner):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    model = dept_mm.build(QUICKSTART, seed=2, options=options)
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.training
    own, other = model.state_dict(), runner.model.state_dict()
    assert own.keys() == other.keys()
    assert all(torch.equal(own[key], other[key]) for key in own)
    again = dept_mm.build(QUICKSTART, options=options).state_dict()  # seed 1
    assert not torch.equal(again['backbone.prompt.context'],
                           own['backbone.prompt.context'])


def test_it_trains_as_the_runner_does(result, checkpoint, runner):
    runner.train()
    found = read_result(runner.work_dir)
    assert result['results'] == found['results']
    assert result['seed'] == found['seed'] == 2
    tuned, = result['results']['tuned'].values()
    assert 0 <= accuracy(tuned['base']) <= 100
    expected = runner.model.state_dict()
    saved = torch.load(checkpoint, weights_only=True)['state_dict']
    assert all(torch.equal(saved[key], expected[key]) for key in expected)


def test_validation_images_choose(options, tmp_path):
    found = dept_mm.train(QUICKSTART, options=options, select='val',
                          patience=1, work_dir=tmp_path)
    assert (tmp_path / found['selection']['checkpoint']).is_file()
    assert found['selection']['epoch'] == 1
    (tmp_path / 'epoch_1.pth').unlink()  # the chosen one is loaded
    assert dept_mm.load(tmp_path).classes
    with pytest.raises(DeptError, match="select='test'"):
        dept_mm.train(QUICKSTART, options=options, select='test',
                      work_dir=tmp_path)


def test_a_config_stays_as_it_is(options):
    cfg = Config.fromfile(QUICKSTART)
    before = cfg.pretty_text
    model = dept_mm.build(cfg, seed=3, options=dict(
        options, **{'model.head.fusion_weight': 0.25}))
    assert model.head.fusion_weight == 0.25
    assert cfg.pretty_text == before


@pytest.mark.parametrize('function', [dept_mm.build, dept_mm.train])
def test_mistakes(function, options):
    cfg = Config.fromfile(QUICKSTART)
    for config, given, words in (
            ('nowhere.py', {}, 'config file not found: nowhere.py'),
            (QUICKSTART, dict(dataset='nothing'), '--dataset nothing'),
            (cfg, dict(dataset='pets'), 'give its path, not a Config'),
            (cfg, dict(options={'clip.name.x': 1}), 'do not fit the config'),
            (Config(dict(work_dir='x')), {}, 'The config has no model')):
        if function is dept_mm.train and 'no model' in words:
            continue
        with pytest.raises(DeptError, match=words):
            function(config, **given)
    with pytest.raises(DeptError, match='no work_dir; give one'):
        dept_mm.train(cfg)
