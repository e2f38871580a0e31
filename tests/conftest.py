"""Small parts that many tests are built of."""
import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample

import dept_mm  # noqa: F401  registers everything
from dept_mm.apis import apply_options
from dept_mm.models.prompts import BasePrompt
from dept_mm.registry import MODELS
from dept_mm.structures import Vocabulary

CONFIGS = Path(__file__).parents[1] / 'configs'
TEXT = dict(context_length=77, vocab_size=49408, width=32, heads=2, layers=2)
# Kind of image tower -> the smallest CLIP with one.
ARCHITECTURES = dict(
    vit=dict(embed_dim=16, quick_gelu=True, text_cfg=TEXT,
             vision_cfg=dict(image_size=32, patch_size=16, width=32,
                             layers=2, head_width=16)),
    resnet=dict(embed_dim=16, text_cfg=TEXT,
                vision_cfg=dict(image_size=32, layers=[1, 1, 1, 1], width=8,
                                patch_size=None)),
    timm=dict(embed_dim=16, text_cfg=TEXT,
              vision_cfg=dict(image_size=32, timm_model_name='test_resnet',
                              timm_model_pretrained=False, timm_pool='avg',
                              timm_proj='linear')),
    not_causal=dict(embed_dim=16,
                    text_cfg=dict(TEXT, no_causal_mask=True,
                                  pool_type='last', context_length=24),
                    vision_cfg=dict(image_size=32, patch_size=16, width=32,
                                    layers=2, head_width=16)),
    coca=dict(embed_dim=16, custom_text=True,
              text_cfg=dict(TEXT, context_length=76, embed_cls=True,
                            output_tokens=True),
              vision_cfg=dict(image_size=32, patch_size=16, width=32,
                              layers=2, head_width=16, attentional_pool=True,
                              attn_pooler_heads=2, output_tokens=True),
              multimodal_cfg=dict(TEXT, context_length=76,
                                  attn_pooler_heads=2)),
)
# What the smallest towers need other than a learner's defaults.
OPTIONS = dict(MaPLePrompt=dict(depth=2), CoCoOpPrompt=dict(reduction=2),
               IVLPPrompt=dict(text_depth=2, image_depth=2),
               TCPPrompt=dict(layer=1, reduction=2))
LEARNERS = {n: dict(type=n, **OPTIONS.get(n, {}))
            for n, c in sorted(MODELS.module_dict.items())
            if isinstance(c, type) and issubclass(c, BasePrompt)}
# This one is what it is composed of.
del LEARNERS['TowerPrompts']
for name, text, image in (
        ('soft', ['SoftPrompt'], ['SoftPrompt']),
        ('decomposed', ['DecomposedPrompt'], ['DecomposedPrompt']),
        ('adept', ['ADePTPrompt'], ['ADePTPrompt']),
        ('late', ['LatePrompt'], ['LatePrompt']),
        ('adept-late', ['ADePTPrompt', 'LatePrompt'], [])):
    LEARNERS[name] = dict(type='TowerPrompts', **{
        tower: [dict(type=n) for n in types]
        for tower, types in (('text', text), ('image', image))})
# What a model may have before its head: a prompt learner, nothing, a neck.
HOSTS = {name: dict(prompt=config) for name, config in LEARNERS.items()}
HOSTS['none'] = dict()
HOSTS['CLIPAdapter'] = dict(neck=dict(type='CLIPAdapter'))
HEADS = ('CLIPHead', 'DePTHead')
PAIRS = [(host, head) for host in HOSTS for head in HEADS]
NAMES = ('red fox', 'cat', 'a_very_long_winded_class_name', 'owl', 'bee')


@pytest.fixture(autouse=True)
def same_numbers():
    """Every test starts from the same random state."""
    torch.manual_seed(0)


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
        configs[host, head] = dict(
            type='ImageClassifier',
            backbone=dict(type='PromptedCLIP', clip=clip, vocabulary=names,
                          prompt=HOSTS[host].get('prompt')),
            neck=neck and dict(neck, clip=clip),
            head=dict(type=head) if head == 'CLIPHead' else
            dict(type=head, clip=clip, vocabulary=names))
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
    a function of a leaf config and options that gives a config to run."""
    def make(config='dept/quickstart.py', **options):
        cfg = Config.fromfile(CONFIGS / config)
        apply_options(cfg, {
            'clip': clip, 'work_dir': str(tmp_path), 'default_scope':
            'mmpretrain', 'train_cfg.max_epochs': 1,
            'train_cfg.val_interval': 1, 'train_dataloader.num_workers': 0,
            'val_dataloader.num_workers': 0,
            'test_dataloader.num_workers': 0,
            'train_dataloader.dataset.num_shots': 1,
            'val_dataloader.dataset.indices': 64,
            'test_dataloader.dataset.indices': 64,
            'param_scheduler': [], **options})
        return cfg

    return make
