"""A run collects features, fits a probe, saves and measures."""
import pytest
import torch
from feature_runs import encode, with_steps
from mmengine.runner import Runner
from mmpretrain import get_model

from dept_mm.engine.hooks import ProbeHook
from dept_mm.errors import DeptError
from dept_mm.evaluation import read_result
from dept_mm.models import GDAProbe

CONFIG = 'probes/quickstart.py'


@pytest.fixture
def run(small_run):
    def make(**options):
        return small_run(CONFIG, **{
            'train_dataloader.dataset.num_shots': 2, **options})

    return make


def alone(cfg):
    """A runner of the hook alone, without validation."""
    cfg.custom_hooks = cfg.custom_hooks[-1:]
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    return Runner.from_cfg(cfg)


def test_a_run(run, tmp_path, monkeypatch):
    cfg, given, fit = run(), [], GDAProbe.fit

    def spy(probe, *args):
        given.extend(args)
        fit(probe, *args)

    monkeypatch.setattr(GDAProbe, 'fit', spy)
    runner = Runner.from_cfg(cfg)
    runner.train()
    probe, backbone = runner.model.neck, runner.model.backbone.eval()
    with torch.no_grad():
        text = backbone(torch.zeros(1, 3, 32, 32)).text
    image, labels = encode(cfg, 'train')
    held_out, rows = encode(cfg, 'val')
    assert len(rows) > len(set(rows)) == 16
    expected = image, torch.tensor(labels), text[:16], (
        held_out, torch.tensor(rows)), float(backbone.clip.logit_scale)
    torch.testing.assert_close(tuple(given), expected, rtol=1e-4, atol=1e-5)
    model = get_model(cfg, pretrained=str(tmp_path / 'epoch_1.pth'))
    assert torch.equal(model.neck.weight, probe.weight)
    rows = read_result(tmp_path)['results']
    assert rows['tuned']['shapes']['base'] != rows['zero-shot']['shapes'][
        'base']


def test_a_fitted_probe_is_kept(run, tmp_path):
    """Another draw does not change it, and DePT trains on top of it."""
    first = alone(run())
    first.train()
    weight = first.model.neck.weight.clone()
    cfg = run(load_from=str(tmp_path / 'epoch_1.pth'),
              **{'dataset.seed': 2})
    again = alone(cfg)
    again.train()
    assert torch.equal(again.model.neck.weight, weight)


def test_dept_is_trained_on_top(run):
    cfg = with_steps(run(**{'custom_hooks.1.search': False}))
    cfg.model.head = dict(type='DePTHead', clip=cfg.clip,
                          vocabulary=cfg.model.neck.vocabulary)
    runner = alone(cfg)
    before = runner.model.head.linear.weight.detach().clone()
    runner.train()
    assert runner.model.neck.is_fitted and runner.model.neck.alpha == 1
    assert not torch.equal(runner.model.head.linear.weight, before)


def test_views_are_images_of_their_own(run):
    cfg = run(**{'custom_hooks.1.views': 3})
    probe = (runner := alone(cfg)).model.neck
    runner.train()
    assert probe.count.tolist() == [6] * 16


def test_refusals(small_run, run):
    with pytest.raises(DeptError, match='test_pipeline, or search=False'):
        ProbeHook()
    cfg = small_run('coop/quickstart.py')
    cfg.custom_hooks = [dict(type='ProbeHook', search=False)]
    with pytest.raises(DeptError, match='no probe as its neck'):
        Runner.from_cfg(cfg).train()
    cfg = run(**{'train_dataloader.dataset.task': 'all'})
    with pytest.raises(DeptError, match="no row for images.*task='base'"):
        alone(cfg).train()
