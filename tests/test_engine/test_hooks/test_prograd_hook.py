"""ProGrad, against projections by hand."""
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.nn import functional as F

from dept_mm.engine.hooks import ProGradHook
from dept_mm.errors import DeptError
from dept_mm.models import CLIPHead, ZeroShotDivergenceLoss
from dept_mm.registry import MODELS, OPTIM_WRAPPERS

GUIDED = {'model.backbone.teacher': dict(),
          'model.head.losses': [dict(type='ZeroShotDivergenceLoss')],
          'default_hooks.prograd': dict(type='ProGradHook')}


IVLP = {'model.backbone.teacher': dict(image=True), 'model.backbone.prompt':
        dict(type='IVLPPrompt', _delete_=True, text_depth=2, image_depth=2)}


class Guide(ZeroShotDivergenceLoss):
    """Gradients (-1, 1), (1, 1) and 0 for the parameters below."""

    def forward(self, model):
        return ((model.against * torch.tensor([-1., 1.])).sum()
                + model.along.sum() + 0 * model.silent.sum())


class Model(nn.Module):
    """The loss has gradient (1, 0) for each parameter."""

    def __init__(self):
        super().__init__()
        for name in ('against', 'along', 'silent', 'unreached'):
            self.register_parameter(name, nn.Parameter(torch.zeros(2)))
        self.guide = Guide()

    def forward(self):
        return self.guide(self) + sum(p[0] for p in self.parameters())


@pytest.mark.parametrize('weight, projected', [
    # <a, b> = -1 and |b|^2 = 2: a + b / 2.
    (1., [.5, .5]), (.5, [.75, .25])])
@pytest.mark.parametrize('batches', [1, 2])
def test_projection_by_hand(weight, projected, batches):
    model = Model()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1),
                           accumulative_counts=batches)
    hook = ProGradHook(weight=weight)
    runner = SimpleNamespace(model=model, optim_wrapper=wrapper)
    hook.before_train(runner)
    for step in range(2):  # nothing is left of the first in the second
        for batch in range(batches):
            wrapper.update_params(model())
            hook.after_train_iter(runner, batch)
        for name, expected in dict(
                against=projected, along=[1., 0.], silent=[1., 0.],
                unreached=[1., 0.]).items():
            value = getattr(model, name)
            torch.testing.assert_close(
                value.detach(), -(step + 1) * torch.tensor(expected))
    hook.after_train(runner)
    assert model.guide(model).requires_grad  # a plain term again


@pytest.fixture
def build(small_run):
    """Build model, batch and the guided runner of a head's quickstart."""
    def make(head, **options):
        cfg = small_run(f'{head}/quickstart.py', **GUIDED | options)
        init_default_scope('mmpretrain')
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).train()
        for parameter in model.backbone.parameters():
            parameter.data.normal_()  # far from zero-shot
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
        return model, next(iter(loader))

    return make


def gradients(loss, model):
    return torch.autograd.grad(loss, list(model.parameters()),
                               retain_graph=True, allow_unused=True)


@pytest.mark.parametrize('head', ['coop', 'dept'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_step_of_a_model(build, head, dtype):
    model, batch = build(head, **IVLP)
    # Right and surer than zero-shot: the loss pulls on, the guide back.
    data = model.data_preprocessor(batch, training=True)
    feats = model.extract_feat(data['inputs'])
    for sample, row in zip(batch['data_samples'],
                           CLIPHead.forward(model.head, feats).argmax(1),
                           strict=True):
        sample.set_gt_label(feats.labels[row])
    data = model.data_preprocessor(batch, training=True)
    with torch.autocast('cpu', dtype, enabled=dtype != torch.float32):
        losses = model(**data, mode='loss')
    guide = gradients(losses.pop('loss_term0'), model)
    expected, conflicts = {}, []
    for (name, p), a, b in zip(
            model.named_parameters(),
            gradients(sum(losses.values()), model), guide, strict=True):
        if b is not None and (a * b).sum() < 0:
            conflicts.append(name)
            a = a - (a * b).sum() / b.square().sum() * b
        expected[name] = (p - .1 * a).detach()
    assert conflicts
    kind = '' if dtype == torch.float32 else 'BF16'
    wrapper = OPTIM_WRAPPERS.build(dict(
        type=f'{kind}OptimWrapper',
        optimizer=torch.optim.SGD(model.parameters(), lr=.1)))
    ProGradHook().before_train(SimpleNamespace(model=model,
                                               optim_wrapper=wrapper))
    logged = model.train_step(batch, wrapper)
    assert logged['loss_term0'] > 0
    tolerance = dict(rtol=1e-4, atol=1e-6)
    if dtype == torch.bfloat16:  # kernels may round differently twice
        tolerance = dict(rtol=1e-2, atol=1e-4)
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.detach(), expected[name],
                                   **tolerance)


def test_a_run_differs_from_plain_distillation_and_from_none(small_run):
    learned = []
    for options in (GUIDED, {k: v for k, v in GUIDED.items()
                             if 'prograd' not in k}, {}):
        runner = Runner.from_cfg(small_run('coop/quickstart.py', **options))
        runner.train()
        learned.append(runner.model.backbone.prompt.context.detach())
    assert not torch.allclose(learned[0], learned[1])
    assert not torch.allclose(learned[0], learned[2])


def test_needs_a_guide(small_run):
    cfg = small_run(**{'default_hooks.prograd': dict(type='ProGradHook')})
    with pytest.raises(DeptError, match='ZeroShotDivergenceLoss'):
        Runner.from_cfg(cfg).train()


def test_divergence_by_hand(build):
    model, batch = build('coop')
    feats = model.extract_feat(
        model.data_preprocessor(batch, training=True)['inputs'])
    logits = model.head(feats)
    found = ZeroShotDivergenceLoss(temperature=2., loss_weight=3.)(
        feats, logits, None)
    frozen = 2 * 50 * F.normalize(feats.image, dim=-1) @ F.normalize(
        feats.teacher.text, dim=-1).T * feats.logit_scale / 100
    p, q = (x.div(2).softmax(1) for x in (frozen, logits))
    expected = 3 * 4 * (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_prompted_images_need_the_plain_ones(build):
    model, batch = build('coop', **IVLP | {
        'model.backbone.teacher': dict()})
    data = model.data_preprocessor(batch, training=True)
    with pytest.raises(DeptError, match='image=True'):
        model(**data, mode='loss')
