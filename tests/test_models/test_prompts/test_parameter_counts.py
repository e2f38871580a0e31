"""Numbers of trainable parameters that papers and public code have."""
import json

import pytest
import torch

from dept_mm.models import DePTHead, PromptedCLIP, TeacherSpace
from dept_mm.models.clip import build_clip
from dept_mm.registry import MODELS

MAPLE = dict(type='MaPLePrompt', num_tokens=2)
IVLP = dict(type='IVLPPrompt')
TOWERS, LATE = dict(type='TowerPrompts'), dict(type='LatePrompt')
# With 50 base classes on CLIP ViT-B/16.
HOSTS = dict(
    coop_16=(dict(type='CoOpPrompt', num_tokens=16), 8_192),
    coop_4=(dict(type='CoOpPrompt', num_tokens=4), 2_048),
    coop_class_specific=(dict(type='CoOpPrompt', num_tokens=16,
                              class_specific=True), 409_600),
    kgcoop=(dict(type='CoOpPrompt', words='a photo of a'), 2_048),
    cocoop=(dict(type='CoCoOpPrompt'), 35_360),
    maple_3=(dict(MAPLE, depth=3), 1_185_024),
    maple_9=(dict(MAPLE, depth=9), 3_555_072),
    maple_12=(dict(MAPLE, depth=12), 4_740_096),
    vpt=(dict(IVLP, num_text_tokens=0, num_image_tokens=8, image_depth=12),
         73_728),
    ivlp=(dict(IVLP, num_text_tokens=2, num_image_tokens=2, text_depth=12,
               image_depth=12), 30_720),
    promptsrc=(dict(IVLP, text_depth=9, image_depth=9), 46_080),
    promptsrc_cross=(dict(IVLP, text_depth=3, image_depth=3), 15_360),
    # 4.992M, 0.674M and 0.184M in the papers.
    mmrl=(dict(type='MMRLPrompt'), 4_992_256),
    mm_adapter=(dict(type='MultiModalAdapter'), 674_560),
    clip_lora=(dict(type='CLIPLoRA'), 184_320),
    skip_tuning=(dict(type='TunedBlocks'), 62_099_456),
    atprompt=(dict(type='ATPrompt', num_tokens=2, host=dict(
        type='CoOpPrompt', num_tokens=2)), 3_072),
    soft=(dict(TOWERS, text=[dict(type='SoftPrompt')]), 2_048),
    # At most the 8,192 of 16 soft tokens.
    decomposed=(dict(TOWERS, text=[dict(type='DecomposedPrompt')]), 7_898),
    adept=(dict(TOWERS, text=[dict(type='ADePTPrompt')]), 7_685),
    late=(dict(TOWERS, text=[LATE]), 84_000),
    late_pooled=(dict(TOWERS, text=[dict(LATE, generator='mppg')]), 33_312),
    late_of_image=(dict(TOWERS, text=[dict(LATE, condition='image')]),
                   346_144),
    late_image=(dict(TOWERS, image=[LATE]), 125_984))


def trainable(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@pytest.fixture(scope='module')
def vit_b_16():
    return build_clip(dict(name='ViT-B-16-quickgelu', pretrained='random'))


@pytest.mark.parametrize('host', HOSTS)
def test_hosts(vit_b_16, host):
    prompt, count = HOSTS[host]
    names = [f'class {i}' for i in range(50)]
    assert trainable(PromptedCLIP(vit_b_16, names, prompt)) == count


@pytest.mark.parametrize('classes, count', [
    (5, 4_613), (51, 28_211), (199, 104_135), (500, 258_548),
    (1000, 515_048)])
def test_what_dept_adds(classes, count):
    """Two transforms of 512 channels, and a row with a bias per class."""
    names = [f'class {i}' for i in range(classes)]
    assert trainable(DePTHead(names, in_channels=512)) == count


def test_student_of_promptkd(vit_b_16):
    """As many as the public code trains beside a ViT-L/14: 4 tokens in each
    of 9 blocks, two convolutions of 1 x 1 and a batch norm."""
    clip = dict(name='ViT-B-16-quickgelu', pretrained='random')
    prompt = dict(IVLP, num_text_tokens=0, image_depth=9)
    assert trainable(PromptedCLIP(clip, ['cat'], prompt)) == 27_648
    assert trainable(TeacherSpace(clip, ['cat'], width=768)) == 986_112


def test_dept_on_a_host_is_their_sum(vit_b_16):
    clip = dict(name='ViT-B-16-quickgelu', pretrained='random')
    names = [f'class {i}' for i in range(51)]
    model = MODELS.build(dict(
        type='ImageClassifier',
        backbone=dict(type='PromptedCLIP', clip=clip, vocabulary=names,
                      prompt=dict(type='CoCoOpPrompt')),
        head=dict(type='DePTHead', clip=clip, vocabulary=names)))
    assert model.backbone.clip is vit_b_16
    assert trainable(model) == 35_360 + 28_211


def test_maple_between_towers_of_other_widths(tmp_path):
    """The widths of ViT-L/14, which no number in the code may contradict;
    fewer blocks, patches and words."""
    architecture = dict(
        embed_dim=768,
        text_cfg=dict(context_length=77, vocab_size=49408, width=768,
                      heads=12, layers=2),
        vision_cfg=dict(image_size=28, patch_size=14, width=1024, layers=2))
    (tmp_path / 'open_clip_config.json').write_text(
        json.dumps(dict(model_cfg=architecture, preprocess_cfg={})))
    backbone = PromptedCLIP(
        dict(name=f'local-dir:{tmp_path}', pretrained='random'),
        ['cat', 'dog'], dict(MAPLE, depth=2))
    # Per block 2 tokens of 768, and a map from 768 to 1024.
    assert trainable(backbone) == 2 * (2 * 768 + 768 * 1024 + 1024)
    feats = backbone(torch.zeros(3, 3, 28, 28))
    assert feats.image.shape == (3, 768) and feats.text.shape == (2, 768)
    (feats.image.sum() + feats.text.sum()).backward()
    assert all(p.grad.isfinite().all() for p in backbone.parameters())
