"""The image tower against open_clip's own blocks over all tokens."""
import copy

import pytest
import torch
from open_clip.transformer import Transformer, VisionTransformer
from torch import nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import build_clip
from dept_mm.models.clip.blocks import comes_apart
from dept_mm.models.clip.image_tower import ImageTower
from dept_mm.structures import BlockParts, Prompts

EXACT = dict(rtol=1e-12, atol=1e-12)


@pytest.fixture(params=['class token', 'mean', 'other blocks', 'GELU'])
def tower(request, double):
    """Work on a copy: other tests share the CLIP."""
    model, kind = copy.deepcopy(double.model), request.param
    visual = model.visual
    if kind == 'mean':
        visual.pool_type = 'avg'
    if kind == 'other blocks':
        visual.transformer = Transformer(
            32, 2, 2, block_type='custom').double().eval()
    if kind == 'GELU':
        for block in visual.transformer.resblocks:
            block.mlp.gelu = nn.GELU()
    return ImageTower(model, double.spec, double.name)


def test_features_and_gradients(tower, images):
    assert isinstance(tower.visual, VisionTransformer)
    images = images.double()
    torch.testing.assert_close(
        tower(images, Prompts()),
        tower.model.encode_image(images, normalize=False), **EXACT)
    found = []
    for encode in (tower, tower.plain):
        torch.manual_seed(0)
        given = [torch.randn(2, 32, dtype=torch.double, requires_grad=True)
                 for _ in range(3)]
        features = encode(images, Prompts(given[0], None, {1: given[1]},
                                          {1: given[2]}))
        features.square().sum().backward()
        # What a deep prompt replaces has no gradient of its own.
        found.append([features, *(t.grad for t in given)])
    assert found[0][2].abs().sum() > 0
    torch.testing.assert_close(*found, **EXACT)


def test_parts_and_functions(tower, images):
    """What is added inside blocks, and deep tokens made of those before."""
    if not tower.takes_parts:
        return
    weight = torch.randn(32, dtype=torch.double, requires_grad=True)
    parts = BlockParts(*5 * [lambda x: (weight * x).sin() / 5])
    tokens = torch.randn(2, 32, dtype=torch.double)
    prompts = Prompts(tokens, deep={1: lambda x: x * .7 + weight},
                      parts={0: parts, 1: parts})
    found = []
    for encode in (tower, tower.plain):
        features = encode(images.double(), prompts)
        found += [(features, *torch.autograd.grad(features.sum(), weight))]
    torch.testing.assert_close(*found, **EXACT)
    without = tower(images.double(), Prompts(tokens))
    assert (found[0][0] - without).abs().max() > .01


def test_states_behind_blocks_that_learn_are_refused(tower, images):
    late = Prompts(deep={1: torch.randn(2, 32, dtype=torch.double)})
    states = tower.below(images.double(), late)
    assert states.blocks == tower.count_below(late) == 1
    torch.testing.assert_close(tower(states, late),
                               tower(images.double(), late))
    early = Prompts(torch.randn(2, 32, dtype=torch.double))
    with pytest.raises(DeptError, match='behind 1 blocks .* give .* images'):
        tower(states, early)


def test_patches(tower, images):
    """Each is what the last block gives where tokens see themselves alone."""
    images, (*_, block) = images.double(), tower.visual.transformer.resblocks
    prompts = Prompts(torch.randn(2, 32, dtype=torch.double), None,
                      {1: torch.randn(3, 32, dtype=torch.double)})
    if not comes_apart(block):
        with pytest.raises(DeptError, match='blocks of its own kind'):
            tower.with_patches(images, prompts)
        return
    feature, patches = tower.with_patches(images, prompts)
    seen = []
    block.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    torch.testing.assert_close(feature, tower.plain(images, prompts), **EXACT)
    x, = seen
    alone = torch.full((x.shape[1], x.shape[1]), float('-inf')).double()
    alone.fill_diagonal_(0)
    torch.testing.assert_close(
        patches, tower.project(block(x, attn_mask=alone))[:, 1:5], **EXACT)


def test_towers_without_patches(clip_configs, images):
    for kind in ('resnet', 'timm'):
        with pytest.raises(DeptError, match='has no tokens'):
            build_clip(clip_configs[kind]).encode_patches(images)
