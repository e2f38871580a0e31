"""Small parts that many tests are built of."""
import json
import os
import pickle
import random
from copy import deepcopy
from pathlib import Path

import pytest
import quick_hosts  # noqa: F401  changes the host libraries
import torch
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from small_models import ARCHITECTURES, HOSTS, LEARNERS, PAIRS

import dept_mm  # noqa: F401  registers everything
from dept_mm.config import apply_options, read_config
from dept_mm.models.clip import build_clip
from dept_mm.structures import Vocabulary

CONFIGS = Path(__file__).parents[1] / 'configs'
NAMES = ('red fox', 'cat', 'a_very_long_winded_class_name', 'owl', 'bee')


@pytest.fixture(autouse=True)
def same_numbers():
    """Every test starts from the same random state."""
    torch.manual_seed(0)
    yield
    # A run in MMEngine's own scope leaves it behind; no part is found in it.
    scopes = DefaultScope._instance_dict
    for name in [n for n, s in scopes.items() if s.scope_name == 'mmengine']:
        del scopes[name]


@pytest.fixture(scope='session')
def clip_configs(tmp_path_factory):
    """Kind of image tower -> CLIP config; random weights."""
    root = tmp_path_factory.mktemp('clip')
    configs = {}
    for kind, architecture in ARCHITECTURES.items():
        folder = root / kind
        folder.mkdir()
        text = json.dumps(dict(model_cfg=architecture, preprocess_cfg=dict(
            mean=[0.5] * 3, std=[0.25] * 3)))
        (folder / 'open_clip_config.json').write_text(text)
        configs[kind] = dict(name=f'local-dir:{folder}', pretrained='random')
    return configs


@pytest.fixture
def clip(clip_configs):
    """Config of the smallest ViT CLIP."""
    return clip_configs['vit']


@pytest.fixture
def double(clip):
    """The smallest CLIP in fp64."""
    built = build_clip(clip)
    yield built.double()
    built.float()  # other tests share it


@pytest.fixture
def deep(clip_configs):
    """A CLIP with four text blocks, in fp64."""
    built = build_clip(clip_configs['deep'])
    yield built.double()
    built.float()  # other tests share it


@pytest.fixture(params=LEARNERS)
def learner(request):
    """Config of each prompt learner that is registered."""
    return LEARNERS[request.param]


@pytest.fixture
def pair_configs(clip, vocabulary):
    """(host, head) -> config of their classifier; JSON types only."""
    names = vocabulary.to_dict()
    configs = {}
    for host, head in PAIRS:
        neck = HOSTS[host].get('neck')
        losses = HOSTS[host].get('losses', [])
        configs[host, head] = dict(
            type='ImageClassifier',
            backbone=dict(type='PromptedCLIP', clip=clip, vocabulary=names,
                          prompt=HOSTS[host].get('prompt')),
            neck=neck and dict(neck, clip=clip),
            head=dict(type=head, losses=losses, **({} if head == 'CLIPHead'
                      else dict(clip=clip, vocabulary=names))))
    return configs


@pytest.fixture(params=PAIRS, ids='-'.join)
def pair(request, pair_configs):
    """Config of the classifier of each host with each head."""
    return pair_configs[request.param]


@pytest.fixture
def vocabulary():
    """Five classes; the first three are base."""
    return Vocabulary(NAMES, NAMES[:3], ('a photo of a {}.', ))


@pytest.fixture
def images():
    """Four small images, always the same."""
    return torch.randn(4, 3, 32, 32, generator=torch.manual_seed(0))


@pytest.fixture
def samples():
    """Labels of the four images: base classes, one of them twice."""
    return [DataSample().set_gt_label(y) for y in (2, 0, 1, 2)]


@pytest.fixture
def small_run(clip, tmp_path):
    """The quickstart on a random CLIP, one shot and two classes' batches:
    a function of a leaf config, choices and options that gives a config to
    run."""
    def make(config='dept/quickstart.py', choices=None, **options):
        cfg = read_config(CONFIGS / config, **choices or {})
        apply_options(cfg, {
            'clip': clip, 'work_dir': str(tmp_path), 'default_scope':
            'mmpretrain', 'train_cfg.max_epochs': 1,
            'train_cfg.val_interval': 1, 'train_dataloader.num_workers': 0,
            'val_dataloader.num_workers': 0, 'test_dataloader.num_workers': 0,
            'train_dataloader.dataset.num_shots': 1,
            'val_dataloader.dataset.indices': 64,
            'test_dataloader.dataset.indices': 64,
            'param_scheduler': [], **options})
        return cfg

    return make


class Harmful:
    """Leaves a folder behind when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ('harm', )


PAYLOADS = (pickle.dumps(Harmful()), b"__import__('os').mkdir('harm')")
# What a list or a dict may hold in place of what it should.
ODD = (None, True, -1, 1.5, float('nan'), 10**30, '', '\0', '\ud800',
       'x' * 5000, "__import__('os').mkdir('harm')", [], {}, [[]], {'a': 1})


def mutated(data, rng):
    """The bytes with one of several accidents, or an attack."""
    data = bytearray(data)
    start = rng.randrange(len(data))
    size = rng.choice((1, 8, 64, 1000))
    match rng.randrange(8):
        case 0:
            del data[start:]
        case 1:
            data[start] ^= 1 << rng.randrange(8)
        case 2:
            data[start:start + size] = rng.randbytes(size)
        case 3:
            data[start:start] = rng.randbytes(size)
        case 4:
            del data[start:start + size]
        case 5:
            data[rng.randrange(min(8, len(data)))] = rng.randrange(256)
        case 6:
            data[start:start + size] = data[:size]
        case 7:
            data[start:start] = rng.choice(PAYLOADS)
    return bytes(data)


def twisted(value, rng):
    """A value of JSON types with something odd in some place."""
    value = deepcopy(value)
    node, key = [value], 0
    while isinstance(node[key], (list, dict)) and node[key] and (
            rng.random() < .8):
        node = node[key]
        key = rng.choice(list(node) if isinstance(node, dict)
                         else range(len(node)))
    if isinstance(node, dict) and rng.random() < .2:
        key = rng.choice(('type', '_scope_', 'x', ''))
    node[key] = rng.choice(ODD)
    return value


@pytest.fixture(params=[300, pytest.param(10_000, marks=pytest.mark.soak)])
def fuzz(request, tmp_path, monkeypatch):
    """A function that gives many mutations of some bytes, or of a value of
    JSON types; nothing in them may be executed."""
    monkeypatch.chdir(tmp_path)

    def mutations(*originals):
        rng = random.Random(0)
        for _ in range(request.param):
            original = rng.choice(originals)
            yield (mutated if isinstance(original, bytes) else twisted)(
                original, rng)

    yield mutations
    assert not (tmp_path / 'harm').exists()
