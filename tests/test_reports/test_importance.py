"""Channel importance, against sums written out one by one."""
import csv
import json
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner
from run_tool import run_tool
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.reports import importance
from dept_mm.reports.importance import ChannelImportanceHook, Importance
from dept_mm.structures import Vocabulary

ROOT = Path(__file__).parents[2]
# Images of both halves.
FEW = {'test_dataloader.dataset.indices': list(range(0, 1600, 230))}


def test_worked_by_hand():
    """f = (.6, .8, 0, 0), t = (1, 0, 0, 0), (0, 1, 0, 0), (-1, 0, 0, 0).

    Products: (.6, 0, 0, 0), (0, .8, 0, 0), (-.6, 0, 0, 0). In windows of 2
    they sum to (.6, 0, 0, .6), (.8, .8, 0, 0) and nothing above 0.
    """
    image = torch.tensor([[3., 4., 0., 0.]] * 2)
    text = torch.tensor([[2., 0, 0, 0], [0, 5., 0, 0], [-1., 0, 0, 0]])
    label = torch.tensor([0, 1])
    for window, wanted in (
            (1, [[3, 0, 0, 0], [0, 3, 0, 0]]),
            (2, [[3 * .6 / 1.4, 0, 0, 3],
                 [3 * .8 / 1.4, 3, 0, 0]])):
        found = importance.compute_channel_ratios(image, text, label, window)
        assert found == pytest.approx(torch.tensor(wanted).double().numpy(),
                                      abs=1e-6)


@pytest.mark.parametrize('window', [1, 3, 7, 8])
def test_window_sums(window):
    x = torch.randn(2, 8).double()
    wanted = [[sum(float(row[(r + k) % 8]) for k in range(window))
               for r in range(8)] for row in x]
    torch.testing.assert_close(importance.sum_windows(x, window),
                               torch.tensor(wanted).double())


def by_loops(image, text, labels, among, window):
    """The definition for one half: its images and texts alone."""
    among, width = list(among), image.shape[1]
    image = F.normalize(image.double(), dim=-1)
    text = F.normalize(text.double(), dim=-1)
    found, count = [0.] * width, 0
    for j, label in enumerate(labels):
        if label not in among:
            continue
        count += 1
        for r in range(width):
            q = [max(0, sum(float(image[j, k % width]
                                  * text[..., c, :][j, k % width]
                                  if text.ndim == 3 else
                                  image[j, k % width] * text[c, k % width])
                            for k in range(r, r + window))) for c in among]
            found[r] += q[among.index(label)] / (sum(q) / len(q) + 1e-12)
    return [value / count for value in found]


@pytest.mark.parametrize('config', [
    'dept/quickstart.py', 'clip_adapter/quickstart.py', 'cocoop'])
def test_a_test_run(small_run, config):
    """Batches are added up, halves kept apart; CoCoOp has texts of its own
    for each image, CLIP-Adapter changes the images' features."""
    options = {'test_dataloader.batch_size': 3, **FEW}
    if config == 'cocoop':
        config = 'coop/quickstart.py'
        options['model.backbone.prompt'] = dict(
            _delete_=True, type='CoCoOpPrompt', reduction=2)
    runner = Runner.from_cfg(small_run(config, **options))
    hook = ChannelImportanceHook()
    runner.register_hook(hook)
    runner.test()
    data = runner.test_dataloader.dataset
    vocabulary = Vocabulary.from_metainfo(data.metainfo)
    batch = runner.test_dataloader.collate_fn([data[i] for i in
                                               range(len(data))])
    model = runner.model.eval()
    with torch.no_grad():
        feats = model.extract_feat(
            model.data_preprocessor(batch)['inputs'])
    labels = [int(s.gt_label) for s in batch['data_samples']]
    for half in ('base', 'new'):
        wanted = by_loops(feats.image, feats.text, labels,
                          getattr(vocabulary, f'{half}_labels'), 16 // 8)
        assert hook.importance[half].tolist() == pytest.approx(wanted,
                                                               rel=1e-4)


@pytest.mark.parametrize('window, options, message', [
    (17, {}, 'A window of 17 channels does not fit: features have 16'),
    (None, {'dataset.base_classes': 'all'}, 'has no new classes'),
    (None, {'test_dataloader.dataset.indices': 1}, 'No test image belongs '
     'to a new class')])
def test_what_cannot_be_compared(small_run, window, options, message):
    runner = Runner.from_cfg(small_run(**options))
    runner.register_hook(ChannelImportanceHook(window))
    with pytest.raises(DeptError, match=message):
        runner.test()


def test_summary():
    """Ratios 1, 2, 1.05 and .5; the last channel is nothing to new ones."""
    one = Importance('m', [1., 2., 2.1, 1., 1.], [1., 1., 2., 2., 0.])
    assert one.ratios == [1, 2, 1.05, .5, None]
    found = one.summarize()
    assert found == pytest.approx(dict(
        mean=4.55 / 4, std=(1.176875 / 3) ** .5, distance=1.55 / 4, near=.5,
        above=.5))
    assert '| m | 1.137 | 0.626 |' in importance.format_report([one])


def test_the_tool(small_run, tmp_path):
    """With the paper's oracle, which was tuned on all classes."""
    cfg = small_run('coop/quickstart.py', **FEW)
    cfg.dump(tmp_path / 'config.py')
    Runner.from_cfg(small_run(
        'coop/quickstart.py', **{'dataset.base_classes': 'all'})).train()

    def call(*args):
        return run_tool('channel_importance.py', tmp_path / 'config.py',
                        *args)

    first = call(tmp_path / 'epoch_1.pth', '--out', tmp_path / 'a')
    assert first.returncode == 0, first.stderr
    done = call('none', '--out', tmp_path / 'b', '--window', 1, '--beside',
                tmp_path / 'a/channel_importance.json')
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines()
            if line.startswith('| ')]
    assert len(rows) == 3 and rows[1].startswith('| untrained |')
    assert rows[2] in first.stdout
    model, = json.loads(
        (tmp_path / 'b/channel_importance.json').read_text())
    with open(tmp_path / 'b/channel_importance.csv') as file:
        lines = list(csv.DictReader(file))
    assert [float(line['base']) for line in lines] == model['base']
    assert len(lines) == 16
    picture = tmp_path / 'b/channel_importance.png'
    assert picture.read_bytes()[:4] == b'\x89PNG'
    # It is no test of a model that tables should show.
    assert not list(tmp_path.glob('b/**/result.json'))
    assert 'is not a channel_importance.json' in call(
        'none', '--beside', tmp_path / 'config.py').stderr


def test_each_channel_is_a_point(tmp_path, monkeypatch):
    """Beside the density of the ratios, without channels that have none."""
    figures, make = [], importance.output.new_figure
    monkeypatch.setattr(
        importance.output, 'new_figure',
        lambda **options: figures.append(make(**options)) or figures[0])
    found = [Importance('a', [1., 2., 3.], [4., 5., 0.]),
             Importance('b', [6., 7., 8.], [9., 1., 2.])]
    importance.draw(found, tmp_path / 'x.png')
    density, points = figures[0].axes
    assert len(density.patches) == 2
    for one, drawn in zip(found, points.collections, strict=True):
        assert drawn.get_offsets().tolist() == [
            list(pair) for pair in zip(one.base, one.new, strict=True)]
