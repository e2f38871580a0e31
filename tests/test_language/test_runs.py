"""Training and testing by the tools: checkpoints, resuming, processes."""
import csv
import io
import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from processes import call_two
from run_tool import run_tool

pytest.importorskip('transformers')
from language_models import save

from dept_mm.errors import DeptError
from dept_mm.evaluation import accuracy, read_result
from dept_mm.language.metric import MEASURES
from dept_mm.registry import MODELS

ROOT = Path(__file__).parents[2]
LATE = dict(type='LatePrompt', layer=2, num_tokens=2, generator='npg',
            bottleneck=8)
ADEPT = dict(type='ADePTPrompt', num_tokens=2, rank=2, init=.1)
# Config of two processes and of one, and of a run that goes on.
METHODS = dict(adept=dict(prompt=ADEPT), late=dict(prompt=LATE), **{
    name: dict(tuning=dict(type=name)) for name in ('LoRA', 'BitFit')})
WORDS = 'the film was great', 'terrible plot', 'a superb cast', 'boring'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A tiny model and texts; 24 to train on, 21 to test."""
    root = tmp_path_factory.mktemp('language')
    save('roberta', root / 'lm')
    for name, count in (('train', 24), ('dev', 21)):
        lines = [f'{WORDS[i % 4]} {WORDS[i % 3]}\t{i % 2}'
                 for i in range(count)]
        (root / f'{name}.tsv').write_text(
            '\n'.join(['sentence\tlabel', *lines]) + '\n')
    return root


def config(folder, work_dir, epochs=1, batch=8, prompt=None,
           head='LinearTextHead', tuning=None):
    """A leaf config of its own, as text."""
    dataset = dict(type='TextDataset', task='sst2', data_root=str(folder))
    model = dict(
        type='PromptedLanguageModel', lm=dict(name=str(folder / 'lm')),
        prompts=[] if tuning else [prompt or ADEPT], tuning=tuning,
        max_length=20, backbone_eval=True,
        head=dict(type=head, task=dataset))
    loader = dict(num_workers=0)
    return f"""
_base_ = '{ROOT}/configs/_base_/language/runtime.py'
dataset = {dataset}
model = {model}
work_dir = '{work_dir}'
train_dataloader = dict(
    **{loader}, batch_size={batch}, dataset={dataset},
    sampler=dict(type='EpochSampler', shuffle=True))
val_dataloader = dict(
    **{loader}, batch_size=4,
    dataset=dict(**{dataset}, split='val', part=(0, .5)),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(
    **{loader}, batch_size=4,
    dataset=dict(**{dataset}, split='val', part=(.5, None)),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(
    type='LanguageMetric', measures=['accuracy', 'matthews'])
optim_wrapper = dict(
    # Biases of keys have no effect: their gradients are rounding alone.
    optimizer=dict(type='AdamW', lr=.01, eps=1e-4),
    paramwise_cfg=dict(custom_keys=dict(offset_=dict(lr_mult=.1))))
train_cfg = dict(by_epoch=True, max_epochs={epochs}, val_interval=1)
default_hooks = dict(checkpoint=dict(save_best='auto', rule='greater'))
custom_hooks = [dict(type='LanguageResultHook')]
"""


def call(*args):
    """Call a tool in this process; returns what it prints."""
    done = run_tool(*args)
    assert not done.returncode, done.stderr
    return done.stdout


def state(work_dir, epoch=1):
    return torch.load(work_dir / f'epoch_{epoch}.pth',
                      weights_only=True)['state_dict']


def train(folder, work_dir, **options):
    """Train in this process; returns the runner."""
    resume = options.pop('resume', False)
    cfg = Config.fromstring(config(folder, work_dir, **options), '.py')
    cfg.resume = resume
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.slow
def test_two_processes_are_one(folder, tmp_path):
    """T24: three steps, and equal measures over a ragged last batch."""
    pytest.importorskip('peft')
    calls = []
    for name, options in METHODS.items():
        train(folder, tmp_path / f'{name}1', **options)
        path = tmp_path / f'{name}2.py'
        path.write_text(config(folder, path.with_suffix(''), batch=4,
                               **options))
        calls.append(['train.py', path])
    call_two(calls)
    for name in METHODS:
        assert_two_are_one(folder, tmp_path / f'{name}1',
                           tmp_path / f'{name}2')


def assert_two_are_one(folder, *work_dirs):
    """Work dirs of one process and of two tell of the same training."""
    one, two = map(state, work_dirs)
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=0, atol=1e-5)
    one, two = map(read_result, work_dirs)
    assert one['results'] == two['results']
    assert two['processes'] == 2
    for row in ('selection', 'tuned'):
        found = one['results'][row][folder.name]
        assert accuracy(found['base']) == (
            pytest.approx(found['metrics']['accuracy']))


def test_tools(folder, tmp_path):
    """A checkpoint of kilobytes, which gives the same when tested."""
    path = tmp_path / 'late.py'
    path.write_text(config(folder, tmp_path / 'run', prompt=LATE,
                           head='MaskedLMHead'))
    call('train.py', path)
    saved, = (tmp_path / 'run').glob('best_*.pth')
    assert saved.stat().st_size < 60_000
    call('test.py', path, saved, '--out', tmp_path / 'found.json',
         '--out-item', 'metrics')
    trained = read_result(tmp_path / 'run')
    found = json.loads((tmp_path / 'found.json').read_text())
    assert {f'language/{name}': value for name, value in trained[
        'results']['tuned'][folder.name]['metrics'].items()} == found
    assert trained['lm']['sha256'] and trained['clip'] is None
    # The test is of the same run, and all metrics reach the table.
    lines = list(csv.DictReader(io.StringIO(
        call('summarize.py', tmp_path / 'run', '--format', 'csv',
             '--plot', tmp_path / 'plot.png'))))
    assert {f'language/{line["metric"]}': (float(line['mean']), line['seeds'])
            for line in lines} == {
        name: (pytest.approx(value, abs=1e-4), '1')
        for name, value in found.items()}
    call('test.py', path, '--amp')  # without a checkpoint, in bf16


def test_the_selected_checkpoint_is_tested(folder, tmp_path, monkeypatch):
    """The first of two epochs; what selected it stands beside the test."""
    values = iter((.9, .5, .7))
    monkeypatch.setitem(MEASURES, 'accuracy', lambda *_: next(values))
    runner = train(folder, tmp_path, epochs=2)
    found = read_result(tmp_path)
    assert {row: data[folder.name]['metrics']['accuracy']
            for row, data in found['results'].items()} == {
        'selection': 90, 'tuned': 70}
    assert {row: data[folder.name]['base']['total']
            for row, data in found['results'].items()} == {
        'selection': 10, 'tuned': 11}
    assert len(set(found['images'].values())) == 3
    assert list(found['images']) == ['train', 'selection',
                                     f'test/{folder.name}']
    tested, first, last = (
        dict(runner.model.state_dict()), state(tmp_path), state(tmp_path, 2))
    assert all(torch.equal(tested[k], first[k]) for k in first)
    assert not all(torch.equal(tested[k], last[k]) for k in last)


@pytest.mark.parametrize('method', ['adept', 'LoRA', 'BitFit'])
def test_resume_goes_on(folder, tmp_path, method):
    """The weights are those of a run without a stop, bit by bit, and are
    few."""
    options = METHODS[method]
    if method == 'LoRA':
        pytest.importorskip('peft')
    whole = train(folder, tmp_path, epochs=2, **options)
    expected = state(tmp_path, 2)
    # What a kill in the second epoch leaves.
    (tmp_path / 'epoch_2.pth').unlink()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    train(folder, tmp_path, epochs=2, resume=True, **options)
    found = state(tmp_path, 2)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key
    learned = {k for k, _ in whole.model.named_parameters()}
    assert expected.keys() - learned == {'header'}
    names = dict(whole.model.named_parameters())
    rates = {name: group['lr'] for group in
             whole.optim_wrapper.param_groups for name, p in names.items()
             if any(p is q for q in group['params'])}
    assert rates.keys() == names.keys()  # T14
    assert all(rate == pytest.approx(.001 if 'offset_' in name else .01)
               for name, rate in rates.items())


def test_foreign_checkpoints_are_refused(folder, tmp_path):
    """Another method, another model, another task."""
    def build(**options):
        cfg = Config.fromstring(config(folder, tmp_path, **options), '.py')
        return MODELS.build(cfg.model)

    found = build(prompt=LATE).state_dict()
    build(prompt=LATE).load_state_dict(dict(found))
    for other in (ADEPT, dict(LATE, layer=1), dict(LATE, pre_norm=True)):
        with pytest.raises(DeptError, match='has prompts'):
            build(prompt=other).load_state_dict(dict(found))
    with pytest.raises(DeptError, match='has head'):
        build(prompt=LATE, head='MaskedLMHead').load_state_dict(dict(found))
    other = build(prompt=LATE)
    other.head.pool = 'mean'
    with pytest.raises(DeptError, match="has head .*'pool': 'first'"):
        other.load_state_dict(dict(found))
    other = build(prompt=LATE)
    other.lm.origin = None
    other.lm.tower.words.weight.data = other.lm.tower.words.weight + 1
    with pytest.raises(DeptError, match='lm.name'):
        other.load_state_dict(dict(found))
    # All tensors of these have the same names and shapes.
    pooled = dict(LATE, generator='appg')
    found = build(prompt=pooled).state_dict()
    for other in (dict(LATE, generator='mppg'), dict(pooled, num_tokens=3)):
        with pytest.raises(DeptError, match='has prompts'):
            build(prompt=other).load_state_dict(dict(found))
