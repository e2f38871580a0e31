"""CLIP weights in the layouts of other libraries.

Files are made by that library's modules, where it is installed, or by names
written down here from its source; features are what must agree.
"""
import json

import open_clip
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.models.backbones import VisionTransformer
from mmpretrain.models.utils.clip_generator_helper import (
    ResidualAttentionBlock,
)
from safetensors.torch import load_file, save_file
from torch import nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import build_clip, clip_spec

WIDTH, DIM, SIDE, LAYERS, HEADS = 32, 16, 32, 2, 2
TOWER = dict(width=WIDTH, layers=LAYERS)


def architecture(folder, **changes):
    """An open_clip folder without weights; returns its name."""
    folder.mkdir(exist_ok=True)
    config = dict(
        embed_dim=DIM, vision_cfg=dict(
            TOWER, image_size=SIDE, patch_size=16, head_width=WIDTH // HEADS),
        text_cfg=dict(TOWER, context_length=77, vocab_size=49408,
                      heads=HEADS)) | changes
    (folder / 'open_clip_config.json').write_text(
        json.dumps(dict(model_cfg=config, preprocess_cfg={})))
    return f'local-dir:{folder}'


@pytest.fixture
def original(tmp_path):
    """An open_clip model with QuickGELU, nothing as initialised."""
    name = architecture(tmp_path / 'original', quick_gelu=True)
    model = open_clip.create_model(name, load_weights=False).eval()
    for value in model.parameters():
        nn.init.normal_(value, std=.1)
    return model


def hugging_face(state):
    """OpenAI's names as ``transformers.CLIPModel`` has them."""
    found = dict(logit_scale=state['logit_scale'])
    towers = dict(text_model='', vision_model='visual.')
    for theirs, ours in towers.items():
        for i in range(LAYERS):
            old = f'{ours}transformer.resblocks.{i}.'
            new = f'{theirs}.encoder.layers.{i}.'
            for kind in ('weight', 'bias'):
                joint = state[f'{old}attn.in_proj_{kind}']
                for part, rows in zip('qkv', joint.split(WIDTH), strict=True):
                    found[f'{new}self_attn.{part}_proj.{kind}'] = rows
                for a, b in (('self_attn.out_proj', 'attn.out_proj'),
                             ('layer_norm1', 'ln_1'), ('mlp.fc1', 'mlp.c_fc'),
                             ('layer_norm2', 'ln_2'),
                             ('mlp.fc2', 'mlp.c_proj')):
                    found[f'{new}{a}.{kind}'] = state[f'{old}{b}.{kind}']
    for a, b in (('text_model.final_layer_norm', 'ln_final'),
                 ('vision_model.pre_layrnorm', 'visual.ln_pre'),
                 ('vision_model.post_layernorm', 'visual.ln_post')):
        for kind in ('weight', 'bias'):
            found[f'{a}.{kind}'] = state[f'{b}.{kind}']
    for a, b in (
            ('text_model.embeddings.token_embedding.weight',
             'token_embedding.weight'),
            ('text_model.embeddings.position_embedding.weight',
             'positional_embedding'),
            ('vision_model.embeddings.class_embedding',
             'visual.class_embedding'),
            ('vision_model.embeddings.patch_embedding.weight',
             'visual.conv1.weight'),
            ('vision_model.embeddings.position_embedding.weight',
             'visual.positional_embedding')):
        found[a] = state[b]
    found['text_projection.weight'] = state['text_projection'].T
    found['visual_projection.weight'] = state['visual.proj'].T
    found['text_model.embeddings.position_ids'] = torch.arange(77)[None]
    return {k: v.contiguous() for k, v in found.items()}


@pytest.fixture
def folder(original, tmp_path):
    """A repository of Hugging Face with the same weights."""
    folder = tmp_path / 'hub'
    folder.mkdir()
    save_file(hugging_face(original.state_dict()),
              folder / 'model.safetensors', dict(format='pt'))
    tower = dict(hidden_act='quick_gelu', num_attention_heads=HEADS)
    (folder / 'config.json').write_text(json.dumps(dict(
        model_type='clip', text_config=tower, vision_config=tower)))
    return folder


@pytest.fixture
def name(tmp_path):
    return architecture(tmp_path / 'quick', quick_gelu=True)


def assert_same(built, model, images):
    tokens = open_clip.tokenize(['a red fox', 'an owl'])
    with torch.no_grad():
        for found, expected in (
                (built.model.encode_image(images), model.encode_image(images)),
                (built.model.encode_text(tokens), model.encode_text(tokens)),
                (built.model.logit_scale, model.logit_scale)):
            # Sums may have another order in memory of another layout.
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('kind', ['folder', 'file', 'bin', 'parts'])
def test_hugging_face(original, folder, name, images, kind):
    path = file = folder / 'model.safetensors'
    if kind == 'bin':
        torch.save(load_file(file), path := folder / 'pytorch_model.bin')
    elif kind != 'file':
        path = folder
    if kind == 'parts':
        items = sorted(load_file(file).items())
        for i in (0, 1):
            save_file(dict(items[i::2]), folder / f'model-{i}.safetensors')
        file.unlink()
    built = build_clip(dict(name=name, pretrained=str(path)))
    assert_same(built, original, images)


def test_hugging_face_knows_how_images_are_normalised(folder):
    clip = dict(name='ViT-B-16', pretrained=str(folder))
    assert clip_spec(clip).mean[0] == pytest.approx(.48145466)
    (folder / 'preprocessor_config.json').write_text(json.dumps(dict(
        image_mean=[.5] * 3, image_std=[.25] * 3, resample=2)))
    clip['pretrained'] += '/model.safetensors'
    spec = clip_spec(clip)
    assert (spec.mean, spec.std) == ((.5, .5, .5), (.25, .25, .25))
    assert spec.interpolation == 'bilinear'


@pytest.mark.parametrize('changes, config, culprit', [
    (dict(), True, "text.*hidden_act='quick_gelu'.*'gelu'"),
    (dict(), False, 'config.json of its repository beside it'),
    (dict(quick_gelu=True, text_cfg=dict(
        TOWER, context_length=77, vocab_size=49408, heads=4)), True,
     'text tower has num_attention_heads=2.* 4'),
    (dict(quick_gelu=True, embed_dim=8), True, 'size mismatch'),
    (dict(quick_gelu=True, vision_cfg=dict(
        TOWER, image_size=64, patch_size=16, head_width=16)), True,
     'size mismatch for visual.positional_embedding'),
])
def test_another_architecture(folder, tmp_path, changes, config, culprit):
    name = architecture(tmp_path / 'other', **changes)
    if not config:
        (folder / 'config.json').unlink()
    with pytest.raises(DeptError, match=f'(?s){culprit}'):
        build_clip(dict(name=name, pretrained=str(folder)))


def test_activation_that_the_name_tells(original, folder, name, images):
    (folder / 'config.json').unlink()
    assert_same(build_clip(dict(name=name, pretrained=str(folder))), original,
                images)
    # An explicit word counts as well, though it is wrong here.
    plain = architecture(folder.parent / 'plain', quick_gelu=False)
    build_clip(dict(name=plain, pretrained=str(folder)))


LAYER = 'text_model.encoder.layers.1.'


@pytest.mark.parametrize('change, culprit', [
    (lambda s: s.pop(f'{LAYER}layer_norm1.bias'), 'ln_1.bias'),
    (lambda s: s.pop(f'{LAYER}self_attn.k_proj.bias'), 'no keys and values'),
    (lambda s: s.update(extra=torch.ones(1)), 'extra'),
    (lambda s: s.update({'visual.proj': torch.ones(1)}), 'visual.proj twice'),
    (lambda s: s.update(logit_scale=torch.ones(2)), 'logit_scale'),
    (lambda s: [s.pop(k) for k in list(s) if k.startswith('text_')],
     'Missing key'),
], ids=range(6))
def test_every_tensor_is_accounted_for(folder, name, change, culprit):
    state = load_file(folder / 'model.safetensors')
    change(state)
    save_file(state, folder / 'model.safetensors')
    with pytest.raises(DeptError, match=f'(?s){culprit}'):
        build_clip(dict(name=name, pretrained=str(folder)))


class MMPretrainCLIP(nn.Module):
    """MMPretrain's CLIP, of its own parts; the class itself needs the
    network for its tokenizer."""

    def __init__(self):
        super().__init__()
        # The norms that the weights were trained with, not its default.
        norm = dict(type='LN', eps=1e-5)
        self.visual = VisionTransformer(
            dict(embed_dims=WIDTH, num_layers=LAYERS, num_heads=HEADS,
                 feedforward_channels=4 * WIDTH), img_size=SIDE,
            patch_size=16, pre_norm=True, norm_cfg=norm, layer_cfgs=dict(
                norm_cfg=norm, act_cfg=dict(type='QuickGELU')))
        self.visual_proj = nn.Module()
        self.visual_proj.proj = nn.Parameter(torch.empty(WIDTH, DIM))
        mask = torch.full((77, 77), float('-inf')).triu(1)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(
            ResidualAttentionBlock(WIDTH, HEADS, mask) for _ in range(LAYERS))
        self.token_embedding = nn.Embedding(49408, WIDTH)
        self.positional_embedding = nn.Parameter(torch.empty(77, WIDTH))
        self.ln_final = nn.LayerNorm(WIDTH)
        self.text_projection = nn.Parameter(torch.empty(WIDTH, DIM))
        self.logit_scale = nn.Parameter(torch.empty([]))
        for value in self.parameters():
            nn.init.normal_(value, std=.1)

    def encode_image(self, images):
        return self.visual(images)[-1] @ self.visual_proj.proj

    def encode_text(self, tokens):
        x = self.token_embedding(tokens) + self.positional_embedding
        x = x.permute(1, 0, 2)
        for block in self.transformer.resblocks:
            x = block(x)
        x = self.ln_final(x.permute(1, 0, 2))
        return x[range(len(x)), tokens.argmax(1)] @ self.text_projection


@pytest.mark.parametrize('wrapped', [True, False])
def test_mmpretrain(name, tmp_path, images, wrapped):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model, path = MMPretrainCLIP().eval(), str(tmp_path / 'clip.pth')
    state = model.state_dict()
    torch.save(dict(state_dict=state, meta={}) if wrapped else state, path)
    built = build_clip(dict(name=name, pretrained=path))
    tokens = open_clip.tokenize(['a red fox', 'an owl'])
    with torch.no_grad():
        for kind, given in (('image', images), ('text', tokens)):
            found, expected = (getattr(m, f'encode_{kind}')(given)
                               for m in (built.model, model))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert built.logit_scale == model.logit_scale.exp()
    plain = architecture(tmp_path / 'plain')
    with pytest.raises(DeptError, match="hidden_act='quick_gelu'.*'gelu'"):
        build_clip(dict(name=plain, pretrained=path))
    del state['visual.ln1.bias']
    torch.save(state, path)
    with pytest.raises(DeptError, match='ln_post.bias'):
        build_clip(dict(name=name, pretrained=f'{tmp_path}/./clip.pth'))


def test_open_clip_of_a_name_with_a_scheme(original, name, tmp_path, images):
    """A file wins over the weights of the place."""
    torch.save(original.state_dict(), path := str(tmp_path / 'open_clip.pt'))
    assert_same(build_clip(dict(name=name, pretrained=path)), original,
                images)


class Harmful:
    def __reduce__(self):
        return open, ('harm', 'w')


@pytest.mark.parametrize('file', ['x.pth', 'x.safetensors', 'x.bin'])
@pytest.mark.parametrize('content', [b'', b'PK\3\4', b'\0' * 99, None])
def test_files_of_anything(name, tmp_path, monkeypatch, file, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / file
    torch.save(dict(state_dict=Harmful()), path)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeptError, match='cannot be loaded'):
        build_clip(dict(name=name, pretrained=str(path)))
    assert not (tmp_path / 'harm').exists()
