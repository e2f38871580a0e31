"""The image tower against open_clip's own blocks over all tokens."""
import pytest
import torch
from open_clip.transformer import Transformer, VisionTransformer
from torch import nn

from dept_mm.models.clip.image_tower import ImageTower
from dept_mm.structures import Prompts

EXACT = dict(rtol=1e-12, atol=1e-12)


def vit(monkeypatch, clip, **changes):
    """The tower, after changes to the ViT of this CLIP for one test."""
    for name, value in changes.items():
        monkeypatch.setattr(clip.model.visual, name, value)
    return ImageTower(clip.model, clip.spec, clip.name)


@pytest.fixture(params=['class token', 'mean', 'other blocks', 'GELU'])
def tower(request, double, monkeypatch):
    kind = request.param
    if kind == 'mean':
        return vit(monkeypatch, double, pool_type='avg')
    if kind == 'other blocks':
        return vit(monkeypatch, double, transformer=Transformer(
            32, 2, 2, block_type='custom').double().eval())
    if kind == 'GELU':
        for block in double.model.visual.transformer.resblocks:
            monkeypatch.setattr(block.mlp, 'gelu', nn.GELU())
    return vit(monkeypatch, double)


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
