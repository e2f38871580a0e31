"""Arithmetic and memory that ``tools/explain.py`` tells, against published
figures and real steps."""
import json
from functools import cache
from unittest.mock import patch

import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from torch import nn
from torch._subclasses import FakeTensorMode

from dept_mm.exchange import write_adapter
from dept_mm.exchange.recipe import parse_config
from dept_mm.models.clip import ClassTokens, build_clip
from dept_mm.models.clip.image_tower import ImageTower
from dept_mm.models.clip.text_tower import TextTower
from dept_mm.registry import MODELS
from dept_mm.reports.counting import count, counting_flop
from dept_mm.reports.explain import explain, format_report
from dept_mm.reports.explain._cost import IMAGE, TEXT
from dept_mm.structures import Prompts


@pytest.fixture
def plain(monkeypatch):
    """The text tower over whole sentences, as published costs have it."""
    monkeypatch.setattr(TextTower, '__call__', TextTower.plain)


@cache
def vit_b_16(precision='fp32'):
    return build_clip(dict(name='ViT-B-16-quickgelu', pretrained='random',
                           precision=precision))


def sentence(length):
    """One class of that many tokens."""
    return ClassTokens(torch.zeros(1, length, dtype=torch.long),
                       torch.tensor([length - 1]),
                       torch.tensor([length - 2]))


@pytest.mark.parametrize('length, gmac', [
    (77, 2.980), (8, .303), (10, .379), (16, .607), (20, .760), (24, .913)])
def test_arithmetic_of_the_text_tower(length, gmac, plain):
    """Published cost per class, of CLIP ViT-B/16; 1 MAC is 2 FLOP."""
    clip = vit_b_16()
    cost, _ = count(lambda: clip.encode_text(sentence(length)))
    assert cost.forward / 2e9 == pytest.approx(gmac, abs=.001)
    assert cost.backward == 0


@pytest.mark.parametrize('learned, gmac', [(0, 17.56), (2, 17.75), (4, 17.93)])
@pytest.mark.parametrize('grad', [True, False])
def test_arithmetic_of_the_image_tower(learned, gmac, grad):
    """Published cost with prompts behind 197 tokens, and as inference runs
    it; less the last block's queries, MLP and output of all but one."""
    tokens, width = 197 + learned, 768
    gmac -= (tokens - 1) * (10 * width**2 + 2 * tokens * width) / 1e9
    prompts = Prompts(torch.zeros(learned, 768)) if learned else Prompts()
    clip = vit_b_16()
    with torch.set_grad_enabled(grad):
        cost, _ = count(lambda: clip.encode_image(
            torch.zeros(1, 3, 224, 224), prompts))
    assert cost.forward / 2e9 == pytest.approx(gmac, abs=.008)


@pytest.mark.parametrize('length, mib', [(77, 14.5), (20, 3.8), (10, 1.9)])
def test_activations_kept_for_the_text_tower(length, mib, plain):
    """Published MiB per class in half precision, which bfloat16 is too."""
    context = torch.zeros(1, 512, dtype=torch.bfloat16, requires_grad=True)
    clip = vit_b_16('bf16')
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    weights = [*clip.parameters(), *map(fake.from_tensor, clip.parameters())]
    with fake:
        cost, _ = count(lambda: clip.encode_text(
            sentence(length - 1), Prompts(context)), weights)
    assert cost.kept / 2**20 == pytest.approx(mib, rel=.06)


def total(facts):
    """FLOP of a step."""
    return sum(row['forward'] + row['backward']
               for row in facts['training']['flop'].values())


def real_step(model, images, labels):
    """FLOP of one that is computed."""
    samples = [DataSample().set_gt_label(y) for y in labels]
    with counting_flop() as counter:
        sum(model.loss(images, samples).values()).backward()
    return counter.get_total_flops()


def lengths(model, images):
    """Tokens that each block of either tower really sees."""
    found = {'text': [], 'image': []}
    clip = model.backbone.clip

    def note(tower):
        return lambda _, args: found[tower].append(args[0].shape[-2])

    prompt = model.backbone.prompt  # may have blocks of its own
    hooks = [module.ln_1.register_forward_pre_hook(note(name))
             for name, *towers in (
                 ('text', clip.model.text, getattr(prompt, 'text', None)),
                 ('image', clip.model.visual, getattr(prompt, 'image', None)))
             for tower in towers if isinstance(tower, nn.Module)
             for module in tower.modules() if hasattr(module, 'ln_1')]
    with (patch.object(TextTower, '__call__', TextTower.plain),
          patch.object(ImageTower, '__call__', ImageTower.plain)):
        model.backbone.train()(images)  # texts without prompts, once
        found['text'].clear(), found['image'].clear()
        model.backbone(images)
    [hook.remove() for hook in hooks]
    return found


def test_every_learner(small_run, learner, images):
    cfg = small_run('dept/quickstart.py')
    cfg.model.backbone.prompt = learner
    if learner['type'] == 'MMRLPrompt':  # or nothing learns its projection
        cfg.model.head.losses = [dict(type='TokenFeatureLoss')]
    assert_explained(cfg, images)


def test_similarity_alone(small_run, images):
    assert_explained(small_run('coop/quickstart.py'), images)


def explain_training(cfg):
    """What is told of a config that tests nothing."""
    return explain(Config({key: value for key, value in cfg.items() if key
                           not in ('val_dataloader', 'test_dataloader')}))


def assert_explained(cfg, images):
    """Layout, counts and arithmetic are those of a real training step."""
    facts = explain_training(cfg)
    model = MODELS.build(cfg.model).train()
    for tower, seen in lengths(model, images).items():
        layers = facts['layout'][tower]['layers']
        told = [layer['length'][1] for layer in layers
                for _ in range(layer['first'], layer['last'] + 1)]
        # Padding: the longest of all classes may be no base class.
        assert [n + seen[0] - told[0] for n in told] == seen
    assert {row['name']: row['count']
            for row in facts['parameters']['learned']} == {
                n: p.numel() for n, p in model.named_parameters()}
    tokens = [token for layout in facts['layout'].values()
              for layer in layout['layers'] for token in layer['tokens']]
    tokens += filter(None, (layout['offset']
                            for layout in facts['layout'].values()))
    tokens += [part for layout in facts['layout'].values()
               for layer in layout['layers'] for part in layer['inside']]
    told = {n for token in tokens for n in token['sources']}
    learned = {n for n, _ in model.backbone.named_parameters(
        prefix='backbone')}
    # What stands behind the last block is no token.
    assert told <= learned and all('norm' in n or 'projection' in n
                                   for n in learned - told)
    base = model.backbone.vocabulary.base_labels
    real_step(model, images, base[:4])  # what is kept, once
    assert total(facts) == real_step(model, images, base[:4])
    assert max(map(len, format_report(facts).splitlines())) <= 100
    assert json.loads(json.dumps(facts)) == facts


def test_arithmetic_of_a_real_evaluation(small_run):
    """The text classifier is computed once, images one by one."""
    cfg = small_run(**{'test_dataloader.batch_size': 32})
    flop = explain(cfg)['evaluation']['flop']
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad(), counting_flop() as counter:
        for _ in range(2):  # 64 images
            model(torch.zeros(32, 3, 32, 32))
    assert counter.get_total_flops() == sum(flop.values())


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
    assert 'backbone ResNet' in format_report(facts)


def test_a_teacher_is_asked_in_each_step(small_run):
    cfg = small_run('coop/quickstart.py')
    alone = explain_training(cfg)['training']['flop']
    cfg.model.backbone.teacher = dict(image=True)
    cfg.model.head.losses = [dict(type='SelfConsistencyLoss')]
    taught = explain_training(cfg)['training']['flop']
    # Its texts are computed once, its images each time.
    assert taught[TEXT]['forward'] == alone[TEXT]['forward']
    assert taught[IMAGE]['forward'] == 2 * alone[IMAGE]['forward']


def test_mixed_precision_keeps_less(small_run, plain):
    """Where activations are more than the weights, which it copies."""
    cfg = small_run('coop/quickstart.py')
    whole = explain_training(cfg)['training']['memory']['kept by class texts']
    cfg.optim_wrapper.type = 'BF16OptimWrapper'
    half = explain_training(cfg)['training']['memory']['kept by class texts']
    assert half < whole


def test_a_student_of_a_tuned_teacher(small_run, clip, images, tmp_path):
    """Neck and teacher find rows by labels, which fake tensors do not have.
    """
    source = small_run('dept/quickstart.py')
    path = tmp_path / 'teacher.safetensors'
    write_adapter(path, MODELS.build(source.model).state_dict(),
                  parse_config(source.pretty_text))
    cfg = small_run('coop/quickstart.py')
    vocabulary = dict(cfg.model.backbone.vocabulary, base_classes='all')
    cfg.train_dataloader.dataset.update(task='all', base_classes='all')
    cfg.model.backbone.vocabulary = vocabulary
    cfg.model.backbone.prompt = dict(type='IVLPPrompt', num_text_tokens=0,
                                     image_depth=2)
    cfg.model.backbone.teacher = dict(type='TunedTeacher', clip=clip,
                                      adapter=str(path))
    cfg.model.neck = dict(type='TeacherSpace', clip=clip,
                          vocabulary=vocabulary)
    cfg.model.head = dict(type='UnlabelledHead', losses=[
        dict(type='TeacherDivergenceLoss')])
    facts = explain(cfg)
    model = MODELS.build(cfg.model).train()
    labels = model.backbone.vocabulary.base_labels[:4]
    real_step(model, images, labels)  # texts are computed once
    assert total(facts) == real_step(model, images, labels)
    assert sum(facts['evaluation']['flop'].values()) > 0
