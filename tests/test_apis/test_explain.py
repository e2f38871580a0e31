"""What ``tools/explain.py`` tells of a config."""
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from math import cos, pi
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from torch import nn
from torch.backends import mha
from torch.utils.flop_counter import FlopCounterMode

from dept_mm.apis import apply_options
from dept_mm.apis.explain import explain, report, stand_in, without_weights
from dept_mm.apis.explain._layout import token_layout
from dept_mm.apis.explain._meter import ATTENTION, IMAGE, TEXT, Meter
from dept_mm.apis.explain._parameters import collapse
from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import ClassTokens, build_clip
from dept_mm.models.prompts import BasePrompt
from dept_mm.registry import MODELS
from dept_mm.structures import Prompts

ROOT = Path(__file__).parents[2]
HEADS = ['dept/quickstart.py', 'coop/quickstart.py']
LR, HEAD = .0035, 6.5


@cache
def vit_b_16(precision):
    return build_clip(dict(name='ViT-B-16-quickgelu', pretrained='random',
                           precision=precision))


def classifier(backbone):
    model = nn.Module()
    model.backbone = backbone
    return model


def sentence(length):
    """One class of that many tokens."""
    return ClassTokens(torch.zeros(1, length, dtype=torch.long),
                       torch.tensor([length - 1]),
                       torch.tensor([length - 2]))


def metered(clip, run):
    meter = Meter(classifier(PromptedCLIP(clip)))
    with meter.running():
        run(clip)
    return meter.parts


@pytest.mark.parametrize('length, gmac', [
    (77, 2.980), (8, .303), (10, .379), (16, .607), (20, .760), (24, .913)])
def test_arithmetic_of_the_text_tower(length, gmac):
    """Published cost per class, of CLIP ViT-B/16; 1 MAC is 2 FLOP."""
    parts = metered(vit_b_16('fp32'),
                    lambda clip: clip.encode_text(sentence(length)))
    assert parts[TEXT]['forward'] / 2e9 == pytest.approx(gmac, abs=.001)
    assert parts[IMAGE]['forward'] == parts[TEXT]['backward'] == 0


@pytest.mark.parametrize('count, gmac', [(0, 17.56), (2, 17.75), (4, 17.93)])
@pytest.mark.parametrize('grad', [True, False])
def test_arithmetic_of_the_image_tower(count, gmac, grad):
    """With prompts behind 197 tokens, and as inference runs it."""
    prompts = Prompts(torch.zeros(count, 768)) if count else Prompts()
    with torch.set_grad_enabled(grad):
        parts = metered(
            vit_b_16('fp32'), lambda clip: clip.encode_image(
                torch.zeros(1, 3, 224, 224), prompts))
    assert parts[IMAGE]['forward'] / 2e9 == pytest.approx(gmac, abs=.008)


@pytest.mark.parametrize('length, mib', [(77, 14.5), (20, 3.8), (10, 1.9)])
def test_activations_kept_for_the_text_tower(length, mib):
    """Published MiB per class in half precision, which bfloat16 is too."""
    context = torch.zeros(1, 512, dtype=torch.bfloat16, requires_grad=True)
    parts = metered(vit_b_16('bf16'), lambda clip: clip.encode_text(
        sentence(length - 1), Prompts(context)))
    assert parts[TEXT]['kept'] / 2**20 == pytest.approx(mib, rel=.06)


@pytest.fixture(params=HEADS)
def mixed(request, small_run, learner):
    """A config of every learner with both heads."""
    cfg = small_run(request.param)
    cfg.model.backbone.prompt = learner
    return cfg


def lengths(model, images):
    """Tokens that each block of either tower really sees."""
    found = {'text': [], 'image': []}
    clip = model.backbone.clip

    def note(tower):
        return lambda _, args: found[tower].append(args[0].shape[1])

    hooks = [block.register_forward_pre_hook(note(name))
             for name, tower in (('text', clip.model.text),
                                 ('image', clip.model.visual))
             for block in tower.transformer.resblocks]
    model.backbone.train()(images)
    [hook.remove() for hook in hooks]
    return found


def total(facts):
    """FLOP of a step."""
    return sum(row['forward'] + row['backward']
               for row in facts['training']['flop'].values())


@contextmanager
def counting():
    """Count what is computed, in layers whose products show."""
    mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False,
                             custom_mapping=ATTENTION) as counter:
            yield counter
    finally:
        mha.set_fastpath_enabled(True)


def real_step(model, images, labels):
    """FLOP of one that is computed."""
    samples = [DataSample().set_gt_label(y) for y in labels]
    with counting() as counter:
        sum(model.loss(images, samples).values()).backward()
    return counter.get_total_flops()


def test_every_learner_with_both_heads(mixed, images):
    """Layout, counts and arithmetic are those of a real training step."""
    facts = explain(mixed)
    model = MODELS.build(mixed.model).train()
    for tower, seen in lengths(model, images).items():
        layers = facts['layout'][tower]['layers']
        told = [layer['length'][1] for layer in layers
                for _ in range(layer['first'], layer['last'] + 1)]
        padded = facts['layout'][tower].get('padded', told[0])
        assert [n + padded - told[0] for n in told] == seen
    assert {row['name']: row['count']
            for row in facts['parameters']['learned']} == {
                n: p.numel() for n, p in model.named_parameters()}
    assert {n for layout in facts['layout'].values()
            for layer in layout['layers'] for token in layer['tokens']
            for n in token['sources']} == {
                n for n, _ in model.backbone.named_parameters(
                    prefix='backbone')}
    base = model.backbone.vocabulary.base_labels
    assert total(facts) == real_step(model, images, base[:4])
    assert max(map(len, report(facts).splitlines())) <= 100
    assert json.loads(json.dumps(facts)) == facts


def test_arithmetic_of_a_real_evaluation(small_run):
    """The text classifier is computed once, images one by one."""
    cfg = small_run(**{'test_dataloader.batch_size': 32})
    flop = explain(cfg)['evaluation']['flop']
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad(), counting() as counter:
        for _ in range(2):  # 64 images
            model(torch.zeros(32, 3, 32, 32))
    assert counter.get_total_flops() == sum(flop.values())


class Everything(BasePrompt):
    """All that a learner may return."""
    num_context = 3
    position = 'end'

    def __init__(self, clip, vocabulary):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(3, 32))
        self.b = nn.Parameter(torch.zeros(3, 32))
        self.net = nn.Linear(32, 32, bias=False)

    def for_text(self, given):
        length = given.tokens.ids.shape[1]
        return Prompts(
            context=self.net(self.a).expand(len(given.image), 1, 3, 32),
            offset=(self.a[:1] @ self.net.weight).expand(length, 32),
            deep={1: self.b},
            inserted={1: lambda hidden, last: hidden[:, :2] * self.net.weight[
                0]})

    def for_image(self):
        return Prompts(inserted={1: self.b.expand(4, 3, 32)})


def test_layout_of_all_that_prompts_can_be(clip, vocabulary):
    backbone = PromptedCLIP(clip, vocabulary, dict(type=Everything))
    layout = token_layout(classifier(backbone), batch_size=4)
    weights = ['backbone.prompt.a', 'backbone.prompt.net.weight']

    def found(tower):
        return [[(t['name'], t['count'], t['state'], t['per'], t['new'])
                 for t in layer['tokens']]
                for layer in layout[tower]['layers']]

    start, end, dot = ((n, [1, 1], 'frozen', None, False)
                       for n in ('start', 'end', '.'))
    # 'cat' is one token; 'a very long winded class name' is 7: 'wind ed'.
    name = ('name', [1, 7], 'frozen', None, False)
    assert found('text') == [
        [start, ('context', [3, 3], 'computed', 'image', False), name, dot,
         end],
        [start, ('inserted', [2, 2], 'learned', 'class', True),
         ('context', [3, 3], 'learned', None, True), name, dot, end]]
    own = [('class token', [1, 1], 'frozen', None, False),
           ('patch', [4, 4], 'frozen', None, False)]
    assert found('image') == [
        own, [*own, ('inserted', [3, 3], 'learned', 'image', True)]]
    text = layout['text']
    assert text['layers'][0]['tokens'][1]['sources'] == weights
    assert text['offset']['sources'] == weights
    assert text['offset']['count'] == [10, 10]  # start, name, dot, end
    assert [layer['length'] for layer in text['layers']] == [
        [7, 13], [9, 15]]


@pytest.mark.parametrize('position, order', [
    ('end', ['start', 'context', 'name', '.', 'end']),
    ('middle', ['start', 'context', 'name', 'context', '.', 'end']),
    ('front', ['start', 'name', 'context', '.', 'end'])])
def test_layout_of_positions_and_classes(clip, vocabulary, position, order):
    backbone = PromptedCLIP(clip, vocabulary, dict(
        type='CoOpPrompt', num_tokens=5, class_specific=True,
        position=position))
    layer, = token_layout(classifier(backbone), 4)['text']['layers']
    assert [t['name'] for t in layer['tokens']] == order
    context = [t for t in layer['tokens'] if t['name'] == 'context']
    assert [t['count'][0] for t in context] == (
        [2, 3] if position == 'middle' else [5])
    assert {t['per'] for t in context} == {'class'}


@pytest.mark.parametrize('kind', ['resnet', 'timm', 'coca', 'not_causal'])
def test_other_towers(clip_configs, small_run, kind):
    cfg = small_run('coop/quickstart.py', clip=clip_configs[kind])
    if kind == 'coca':
        cfg.model.backbone.prompt = None
    facts = explain(cfg)
    assert facts['layout']['text']['layers']
    assert bool(facts['layout']['image']['layers']) == (
        kind in ('coca', 'not_causal'))
    assert isinstance(facts['evaluation']['flop'], dict)
    assert 'IMAGE TOWER' in report(facts)


def test_rates_of_the_paper(small_run):
    cfg = small_run()
    cfg.merge_from_dict(dict(
        train_cfg=dict(max_epochs=10, val_interval=10),
        optim_wrapper=dict(paramwise_cfg=dict(
            _delete_=True, custom_keys={'head': dict(lr_mult=HEAD)}))))
    cfg.param_scheduler = [
        dict(type='AbsoluteWarmupLR', lr=1e-5, end=1),
        dict(type='CosineAnnealingLR', T_max=10, begin=1)]
    groups = explain(cfg)['training']['groups']
    assert [g['parameters'][0] for g in groups] == [
        'backbone.prompt.context', 'head.image_transform.scale']
    for lr, group in zip((LR, LR * HEAD), groups, strict=True):
        expected = [1e-5] + [lr * (1 + cos(pi * (e - 2) / 10)) / 2
                             for e in range(2, 11)]
        for k in (0, 1):
            assert [pair[k] for pair in group['lr']] == pytest.approx(
                expected)
        assert group['weight_decay'] == 5e-4 and group['momentum'] == .9


def test_rates_within_an_epoch(small_run):
    """A linear warm-up over the 4 steps of epoch 1, from 1/5 to 1 of 0.5: in
    steps of 4/15."""
    cfg = small_run(**{'train_cfg.max_epochs': 2})
    cfg.optim_wrapper = dict(optimizer=dict(type='AdamW', lr=.5))
    cfg.param_scheduler = [dict(type='LinearLR', start_factor=.2, end=1,
                                convert_to_iter_based=True)]
    training = explain(cfg)['training']
    group, = training['groups']
    assert group['lr'][0] == pytest.approx([.1, .5 * (.2 + 3 * .8 / 3)])
    assert group['lr'][1] == pytest.approx([.5, .5])
    # Two moments and, of each of 7 parameters, a counter in fp32.
    assert training['memory']['optimiser'] == (
        2 * training['memory']['learned'] + 7 * 4)


def test_iteration_based_training(small_run):
    cfg = small_run()
    cfg.train_cfg = dict(by_epoch=False, max_iters=10)
    cfg.optim_wrapper = dict(optimizer=dict(type='SGD', lr=.5))
    cfg.param_scheduler = dict(type='MultiStepLR', milestones=[5], gamma=.1,
                               by_epoch=False)
    training = explain(cfg)['training']
    assert training['steps'] == 10 and training['epochs'] == 3
    group, = training['groups']
    assert sum(group['lr'], []) == pytest.approx(
        [.5, .5, .5, .05, .05, .05])


def test_steps_batches_and_classes(small_run):
    """16 base classes with one image each, 64 test images."""
    cfg = small_run(**{'train_dataloader.batch_size': 3})
    cfg.auto_scale_lr = dict(base_batch_size=2, enable=True)
    alone, together = explain(cfg), explain(cfg, processes=2)
    assert alone['training']['steps_per_epoch'] == 6
    assert together['training']['steps_per_epoch'] == 3
    for facts, processes in ((alone, 1), (together, 2)):
        training = facts['training']
        assert training['images'] == training['classes'] == 16
        assert training['groups'][0]['lr'][0][0] == pytest.approx(
            LR * 3 * processes / 2)
        assert training['memory']['optimiser'] == training['memory'][
            'learned'] == 4 * (16 * 32 + 4 * 16 + 16 * 17)
    assert alone['evaluation']['images'] == 64
    assert alone['evaluation']['classes'] == 32


def test_a_stock_classifier(small_run):
    cfg = small_run()
    cfg.model = dict(
        type='ImageClassifier',
        backbone=dict(type='ResNet', depth=18, base_channels=4,
                      stem_channels=4),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=32, in_channels=32))
    facts = explain(cfg)
    assert facts['layout'] == {} and facts['parameters']['frozen_count'] == 0
    flop = facts['training']['flop']
    assert flop['head'] == dict(forward=2 * 4 * 32 * 32, kept=0,
                                backward=2 * 2 * 4 * 32 * 32)
    model = MODELS.build(cfg.model).train()
    assert total(facts) == real_step(model, torch.zeros(4, 3, 224, 224),
                                     range(4))
    assert 'backbone ResNet' in report(facts)


def test_nothing_to_learn_and_nothing_to_train(small_run):
    cfg = small_run('coop/quickstart.py')
    cfg.model.backbone.prompt = None
    assert explain(cfg)['training'] is None
    for key in ('train_cfg', 'train_dataloader', 'optim_wrapper'):
        cfg.pop(key)
    facts = explain(cfg)
    assert facts['parameters']['learned_count'] == 0
    assert 'TRAINING' not in report(facts)


def test_what_a_model_refuses_is_said(small_run):
    cfg = small_run('coop/quickstart.py')
    cfg.model.backbone.prompt.class_specific = True
    facts = explain(cfg)
    assert isinstance(facts['training']['flop'], dict)
    assert 'not counted' in facts['evaluation']['flop']
    assert 'has no context for classes' in ' '.join(report(facts).split())


def test_a_teacher_is_asked_in_each_step(small_run):
    cfg = small_run('coop/quickstart.py')
    alone = explain(cfg)['training']['flop']
    cfg.model.backbone.teacher = dict(image=True)
    cfg.model.head.losses = [dict(type='SelfConsistencyLoss')]
    taught = explain(cfg)['training']['flop']
    # Its texts are computed once, its images each time.
    assert taught[TEXT]['forward'] == alone[TEXT]['forward']
    assert taught[IMAGE]['forward'] == 2 * alone[IMAGE]['forward']


def test_mixed_precision_keeps_less(small_run):
    cfg = small_run('coop/quickstart.py')
    whole = explain(cfg)['training']['memory']['kept by text tower']
    cfg.optim_wrapper.type = 'BF16OptimWrapper'
    half = explain(cfg)['training']['memory']['kept by text tower']
    assert half < whole


def test_without_the_data(clip, tmp_path):
    cfg = Config.fromfile(ROOT / 'configs/dept/dept-coop_vit-base-p16_16shot_'
                          'caltech101-b2n.py')
    apply_options(cfg, {'clip': clip, 'dataset.data_root': str(tmp_path)})
    with pytest.raises(DeptError, match='not found.*--classes cat dog'):
        explain(cfg)
    stand_in(cfg, ['cat', 'dog', 'owl'], images=20)
    facts = explain(cfg)
    assert facts['training']['images'] == 16 * 2  # two are base classes
    assert facts['training']['steps_per_epoch'] == 8
    assert facts['evaluation']['images'] == 60
    assert facts['evaluation']['classes'] == 3


def test_weights_are_not_looked_for(small_run):
    cfg = Config.fromfile(ROOT / 'configs/dept/dept-coop_vit-base-p16_16shot_'
                          'caltech101-b2n.py')
    without_weights(cfg)
    assert cfg.model.backbone.clip.pretrained == 'random'
    assert cfg.model.head.clip.pretrained == 'random'


def test_names_that_differ_in_a_number_go_together():
    names = ['a.0.w', 'a.1.w', 'b', 'c.3', 'd.0', 'd.2']
    assert collapse(names) == {
        'a.{0-1}.w': names[:2], 'b': ['b'], 'c.3': ['c.3'],
        'd.{0,2}': names[4:]}
    assert list(collapse(names[:2], kind=str)) == names[:2]


def test_the_tool(tmp_path):
    out = subprocess.run(
        [sys.executable, ROOT / 'tools/explain.py',
         ROOT / 'configs/dept/quickstart.py', '--classes', 'cat', 'dog',
         '--json'],
        check=True, capture_output=True, text=True, cwd=tmp_path,
        env=dict(os.environ, OMP_NUM_THREADS='1')).stdout
    facts = json.loads(out)
    assert facts['model']['clip'] == 'builtin:demo_clip'
    assert facts['training']['classes'] == 1
    assert not list(tmp_path.iterdir())  # no work dir, no logs
