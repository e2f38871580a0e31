"""Our parts beside stock ones: each mix trains a step through the runner.

Our own parts with each other are in test_matrix.py.
"""
from contextlib import contextmanager

import pytest
import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.runner import Runner
from mmpretrain import get_model
from PIL import Image
from torch import nn

from dept_mm.config import apply_options
from dept_mm.models import CLIPHead


def train(cfg):
    """Run a config; return its runner and what changed."""
    runner = Runner.from_cfg(cfg)
    before = {n: p.detach().clone()
              for n, p in runner.model.named_parameters()}
    runner.train()
    changed = {n for n, p in runner.model.named_parameters()
               if not torch.equal(p, before[n])}
    assert all(p.isfinite().all() for p in runner.model.parameters())
    return runner, changed


@contextmanager
def record_dtypes(kind):
    """Collect the dtypes that modules of a kind give out."""
    seen = set()

    def note(module, args, out):
        if isinstance(module, kind):
            seen.add(out.dtype)

    handle = nn.modules.module.register_module_forward_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


def metrics(runner):
    return {k.removeprefix('val/'): v.current()
            for k, v in runner.message_hub.log_scalars.items()
            if k.startswith('val/')}


HEADS = dict(CLIPHead=[], DePTHead=[
    'linear.weight', 'linear.bias', 'image_transform.scale',
    'image_transform.bias', 'text_transform.scale', 'text_transform.bias'])


@pytest.mark.parametrize('head, neck, options, learned', [
    ('CLIPHead', 'CLIPAdapter', {}, ['down.weight', 'up.weight']),
    ('DePTHead', 'CLIPAdapter', {}, ['down.weight', 'up.weight']),
    ('CLIPHead', 'TipAdapter', dict(trainable=True), ['keys']),
    ('DePTHead', 'TipAdapter', dict(trainable=True), ['keys']),
    ('DePTHead', 'TipAdapter', {}, []),
    ('DePTHead', None, {}, [])])
def test_necks_with_both_heads(small_run, head, neck, options, learned):
    """What may learn does; what is saved comes back; new classes keep the
    similarities of the features."""
    cfg = small_run(f"{'dept' if head == 'DePTHead' else 'coop'}"
                    '/quickstart.py', **{
        'val_dataloader.dataset.indices': range(0, 1600, 25)})
    cfg.model.backbone.prompt = None
    if neck:
        cfg.model.neck = dict(type=neck, clip=cfg.clip, **options)
    if neck == 'TipAdapter':
        cfg.model.neck.update(vocabulary=cfg.dataset, num_shots=1)
        cfg.custom_hooks += [dict(type='TipAdapterHook', views=2,
                                  pipeline=cfg.test_pipeline)]
    runner, changed = train(cfg)
    assert changed == {f'neck.{n}' for n in learned} | {
        f'head.{n}' for n in HEADS[head]}
    found = metrics(runner)
    assert found['base_new/base_total'] == found['base_new/new_total'] == 32
    images = torch.randn(4, 3, 32, 32)
    path = runner.message_hub.get_info('last_ckpt')
    models = runner.model.eval(), get_model(cfg, pretrained=path).eval()
    with torch.no_grad():
        one, two = (model(images) for model in models)
        feats = runner.model.extract_feat(images)
        s = CLIPHead()(feats._replace(bonus=None))
    assert torch.equal(one, two)
    assert one.isfinite().all() and one.shape == (4, 32)
    assert torch.equal(one[:, 16:], s[:, 16:])
    assert neck == 'CLIPAdapter' or not torch.equal(one[:, :16], s[:, :16])


def test_linear_probe(small_run):
    """Base is measured; it cannot know a new class."""
    cfg = small_run('linear_probe/linear-probe_vit-base-p16_16shot_'
                    'caltech101-b2n.py', dict(clip='demo', dataset='shapes'))
    runner, changed = train(cfg)
    assert changed == {'head.fc.weight', 'head.fc.bias'}
    assert runner.model.head.fc.weight.shape == (16, 16)
    found = metrics(runner)
    assert found['base_new/base_total'] == 64
    assert 'base_new/new' not in found and 'base_new/H' not in found


def test_prompted_clip_with_a_stock_linear_head(small_run):
    cfg = small_run()
    cfg.model = dict(
        type='ImageClassifier',
        backbone=dict(type='PromptedCLIP', clip=cfg.clip),
        head=dict(type='LinearClsHead', in_channels=16, num_classes=32))
    runner, changed = train(cfg)
    assert changed == {'head.fc.weight', 'head.fc.bias'}
    assert 'base_new/base' in metrics(runner)


def test_a_stock_classifier_under_our_runtime(small_run):
    cfg = small_run()
    cfg.model = dict(
        type='ImageClassifier',
        backbone=dict(type='ResNet', depth=18, base_channels=4,
                      stem_channels=4),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=32, in_channels=32))
    runner, changed = train(cfg)
    assert 'backbone.conv1.weight' in changed
    assert 'base_new/base' in metrics(runner)


def test_head_and_metrics_with_a_stock_data_set(small_run, tmp_path):
    root = tmp_path / 'images'
    for i, name in enumerate(('cat', 'dog', 'owl')):
        (root / name).mkdir(parents=True)
        for k in range(3):
            Image.new('RGB', (40, 50), (80 * i, 60 * k, 0)).save(
                root / name / f'{k}.png')
    cfg = small_run()
    pipeline = cfg.train_dataloader.dataset.pipeline
    dataset = dict(type='CustomDataset', data_root=str(root),
                   pipeline=pipeline)
    for name in ('train', 'val', 'test'):
        cfg[f'{name}_dataloader'].dataset = dataset
    cfg.model.backbone.vocabulary = cfg.model.head.vocabulary = dataset
    cfg.val_evaluator = [dict(type='BaseNewMetric'),
                         dict(type='Accuracy', topk=(1, )),
                         dict(type='ConfusionMatrix')]
    runner, changed = train(cfg)
    assert runner.model.head.class_ids == ('cat', 'dog', 'owl')
    assert 'head.linear.weight' in changed
    found = metrics(runner)
    assert found['base_new/base'] == pytest.approx(found['accuracy/top1'])
    assert found['base_new/base_total'] == 9


def test_bf16_autocast(small_run):
    cfg = small_run()
    cfg.optim_wrapper.type = 'BF16OptimWrapper'
    with record_dtypes(nn.Linear) as seen:
        runner, changed = train(cfg)
    assert torch.bfloat16 in seen
    assert 'backbone.prompt.context' in changed
    assert runner.model.head.linear.weight.dtype == torch.float32


def test_moving_average(small_run):
    cfg = small_run()
    cfg.custom_hooks += [dict(type='EMAHook', momentum=0.5)]
    runner, changed = train(cfg)
    assert 'backbone.prompt.context' in changed
    path = runner.message_hub.get_info('last_ckpt')
    state = torch.load(path, weights_only=True)
    averaged = state['state_dict']['backbone.prompt.context']
    assert not torch.equal(averaged, runner.model.backbone.prompt.context)
    assert sum(v.numel() for v in state['ema_state_dict'].values()) < 20_000


def test_gradient_accumulation(small_run):
    """Two half batches are one batch: the losses are means."""
    learned = []
    for batch, steps in ((8, 1), (4, 2)):
        cfg = small_run(**{'train_dataloader.batch_size': batch})
        cfg.optim_wrapper.accumulative_counts = steps
        runner, _ = train(cfg)
        learned.append(dict(runner.model.named_parameters()))
    for name, value in learned[0].items():
        torch.testing.assert_close(learned[1][name], value, rtol=1e-4,
                                   atol=1e-6)


def test_stock_test_loop_and_analysis_output(small_run, tmp_path):
    cfg = small_run()
    apply_options(cfg, {'test_evaluator': [
        dict(type='BaseNewMetric'),
        dict(type='DumpResults', out_file_path=str(tmp_path / 'out.pkl'))]})
    found = Runner.from_cfg(cfg).test()
    assert found['base_new/base_total'] == 64
    assert (tmp_path / 'out.pkl').stat().st_size > 0


@pytest.mark.parametrize('classes', [True, False])
def test_stock_count_of_flops(small_run, classes):
    """As MMPretrain's ``tools/analysis_tools/get_flops.py`` does it."""
    cfg = small_run()
    if not classes:
        cfg.model.backbone.update(vocabulary=None, prompt=None)
        cfg.model.head = dict(type='LinearClsHead', in_channels=16,
                              num_classes=32)
    model = get_model(cfg).eval()
    model.forward = model.extract_feat
    found = get_model_complexity_info(model, (3, 32, 32), show_table=False)
    assert found['flops'] > 0
    learned = sum(p.numel() for p in model.parameters())
    assert found['params'] == learned
