"""From a training run to an adapter, and back through the tools."""
import hashlib
import re
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner
from mmpretrain import get_model
from run_tool import run_tool

from dept_mm.errors import DeptError
from dept_mm.exchange import load_adapter, publish_checkpoint, read_adapter
from dept_mm.exchange.recipe import parse_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def trained(small_run, tmp_path):
    """Config, its file, checkpoint and model of a run."""
    cfg = small_run()
    cfg.custom_hooks = [*cfg.get('custom_hooks', []),
                        dict(type='EMAHook', momentum=0.5)]
    cfg.dump(tmp_path / 'config.py')
    runner = Runner.from_cfg(cfg)
    runner.train()
    return cfg, tmp_path / 'config.py', tmp_path / 'epoch_1.pth', runner


def test_publish_and_use(trained, clip, tmp_path):
    cfg, _, checkpoint, runner = trained
    path = publish_checkpoint(checkpoint, tmp_path / 'mine.safetensors')
    assert re.fullmatch(r'mine_\d{8}-[0-9a-f]{8}.safetensors', path.name)
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stem.endswith(f'-{sha[:8]}')
    # MMEngine stores the average under the usual name.
    average = torch.load(checkpoint, weights_only=True)['state_dict']
    file = read_adapter(path)
    assert file.tensors.keys() == {
        k for k in average if not k.endswith('header')}
    for name, value in file.tensors.items():
        assert torch.equal(value, average[name])
    plain = publish_checkpoint(checkpoint, tmp_path / 'plain', ema=False)
    own = dict(runner.model.named_parameters())
    for name, value in read_adapter(plain).tensors.items():
        assert torch.equal(value, own[name])
    assert file.header['recipe']['train_cfg']['max_epochs'] == 1
    assert cfg.work_dir and 'work_dir' not in file.header['recipe']
    one = get_model(cfg, pretrained=str(path))
    two = load_adapter(path, clip=clip)
    classes = runner.train_dataloader.dataset.metainfo['classes']
    assert one._dataset_meta['classes'] == classes
    assert two._dataset_meta['classes'] == classes
    images = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(one(images), two(images))


def test_load_from_starts_from_it(trained, tmp_path):
    cfg, _, checkpoint, _ = trained
    path = publish_checkpoint(checkpoint, tmp_path / 'mine')
    cfg.load_from, cfg.custom_hooks = str(path), []
    runner = Runner.from_cfg(cfg)
    runner.load_or_resume()
    for name, value in read_adapter(path).tensors.items():
        assert torch.equal(runner.model.state_dict()[name], value)


def test_the_tools(trained, tmp_path):
    _, config, checkpoint, _ = trained
    done = run_tool('publish_model.py', checkpoint, tmp_path / 'mine')
    assert not done.returncode, done.stderr
    path, = tmp_path.glob('mine_*.safetensors')
    assert str(path) in done.stdout
    found = [run_tool('test.py', config, given, '--work-dir',
                      tmp_path / 'test', '--out', tmp_path / 'out.json',
                      '--out-item', 'metrics')
             and (tmp_path / 'out.json').read_text()
             for given in (path, checkpoint)]
    assert found[0] == found[1] and 'base_new/base' in found[0]
    path.write_bytes(path.read_bytes()[:-1])
    done = run_tool('test.py', config, path)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f'error: {path} is dama')


def test_refuses_what_is_no_run(tmp_path):
    with pytest.raises(DeptError, match='folder .* does not exist'):
        publish_checkpoint('x.pth', tmp_path / 'no' / 'x')
    with pytest.raises(DeptError, match='x.pth cannot be read'):
        publish_checkpoint('x.pth', tmp_path / 'x')
    path = tmp_path / 'x.pth'
    for content, culprit in ((dict(a=1), 'no state_dict'),
                             (dict(state_dict={}), 'holds no config')):
        torch.save(content, path)
        with pytest.raises(DeptError, match=culprit):
            publish_checkpoint(path, tmp_path / 'x')


def test_a_dumped_config_is_read_and_never_run(tmp_path):
    text = ("a = dict(b=[1, -2.5, None, (True, 'x')], c={'d e': 1, 3: 4})\n"
            "e = dict({'f.g': 1})\n"
            'f = range(0, 3)\ng = float("inf")\n')
    assert parse_config(text) == dict(
        a=dict(b=[1, -2.5, None, [True, 'x']], c={'d e': 1, '3': 4}),
        e={'f.g': 1}, f='range(0, 3)', g="float('inf')")
    for bad in ('import os', 'x = (', 'x[0] = 1', 'f()', '-' * 100_000 + '1'):
        with pytest.raises(DeptError):
            parse_config(bad)
