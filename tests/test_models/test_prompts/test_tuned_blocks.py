"""Fine-tuning of upper blocks."""
import json

import pytest
import torch
from small_models import ARCHITECTURES, VISION

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import build_clip

LEARNER = dict(type='TunedBlocks', first_block=2)


@pytest.fixture
def backbone(clip, vocabulary):
    return PromptedCLIP(clip, vocabulary, LEARNER)


def test_it_starts_from_the_clip(backbone, images):
    mine, zero = (m.eval()(images) for m in (backbone, backbone.zero_shot()))
    torch.testing.assert_close(mine.image, zero.image)
    torch.testing.assert_close(mine.text, zero.text)


def test_what_is_learned(backbone):
    """Blocks from the second on, final norms and projections, as copies."""
    names = {name.split('.', 2)[2] for name, _ in backbone.named_parameters()}
    assert {n.split('.')[1] for n in names if n.startswith('blocks')} == {'1'}
    assert names >= {'norm.weight', 'norm.bias', 'projection'}
    frozen = {p.data_ptr() for p in backbone.clip.parameters()}
    assert not frozen & {p.data_ptr() for p in backbone.parameters()}
    assert not any(p.requires_grad for p in backbone.clip.parameters())


def test_another_model_of_the_clip_does_not_see_it(backbone, images):
    other = backbone.zero_shot().eval()
    before = other(images)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.normal_()
    after = other(images)
    assert torch.equal(after.image, before.image)
    assert torch.equal(after.text, before.text)
    assert not torch.equal(backbone.eval()(images).text, before.text)


def test_patches_go_through_the_tuned_blocks(clip, vocabulary, images):
    """Features of patches change with each of them."""
    backbone = PromptedCLIP(clip, vocabulary, LEARNER, local=True)
    before = backbone(images).extra['local']
    zero = PromptedCLIP(clip, vocabulary, local=True)(images).extra['local']
    torch.testing.assert_close(before, zero)
    for name in ('blocks.1.mlp.c_fc.weight', 'norm.weight', 'projection'):
        gradient, = torch.autograd.grad(
            before.square().sum(),
            [backbone.prompt.image.get_parameter(name)], retain_graph=True)
        assert gradient.any()


def test_lower_blocks_of_the_texts_run_once(backbone, images):
    """In training; the tuned one runs in each step."""
    runs = []
    blocks = backbone.clip.model.text.transformer.resblocks
    for i, block in enumerate((blocks[0], backbone.prompt.text.blocks['1'])):
        block.ln_1.register_forward_pre_hook(lambda *_, i=i: runs.append(i))
    backbone.train()
    for _ in range(3):
        backbone(images)
    blocks[0].ln_1._forward_pre_hooks.clear()  # other tests share the CLIP
    # Both those of the prefix and those of the suffixes.
    assert (runs.count(0), runs.count(1)) == (2, 6)


@pytest.mark.parametrize('kind, first, message', [
    ('vit', 3, 'first_block is 3; it must be between 1 and 2'),
    ('resnet', 1, 'no tokens')])
def test_what_cannot_be_tuned(kind, first, message, clip_configs, vocabulary):
    with pytest.raises(DeptError, match=message):
        PromptedCLIP(clip_configs[kind], vocabulary,
                     dict(LEARNER, first_block=first))


def test_other_pooling(tmp_path, vocabulary):
    architecture = ARCHITECTURES['vit'] | dict(
        vision_cfg=VISION | dict(pool_type='avg'))
    (tmp_path / 'open_clip_config.json').write_text(
        json.dumps(dict(model_cfg=architecture, preprocess_cfg={})))
    with pytest.raises(DeptError, match='pools otherwise'):
        PromptedCLIP(dict(name=f'local-dir:{tmp_path}', pretrained='random'),
                     vocabulary, LEARNER)


def test_half_precision(clip, vocabulary):
    with pytest.raises(DeptError, match='BF16OptimWrapper'):
        PromptedCLIP(build_clip(dict(clip, precision='bf16')), vocabulary,
                     LEARNER)
