"""From a config to a frozen CLIP."""
import open_clip
import pytest
import torch

from dept_mm.errors import DeptError
from dept_mm.models.clip import build_clip, clip_spec, loading


@pytest.mark.parametrize('config, culprit', [
    (dict(name='ViT-B-61'), "'ViT-B-61'.*ViT-B-16"),
    (dict(name='local-dir:nowhere'),
     'open_clip_config.json cannot be read.*nowhere'),
    (dict(name='builtin:nothing'), 'builtin:nothing'),
    (dict(pretrained='openai'), "no 'name'"),
    (dict(name='ViT-B-16', precision='fp8'), "'fp8'"),
    (dict(name='ViT-B-16', pretrain='x'), "'pretrain'"),
    (dict(name='ViT-B-32', pretrained='no-such-tag'), 'no-such-tag'),
    (dict(name='ViT-B-32'), "no weights|pretrained='random'"),
])
def test_bad_configs_are_named(config, culprit):
    with pytest.raises(DeptError, match=culprit):
        build_clip(config)


def test_equal_configs_share_one_instance(clip):
    assert build_clip(clip) is build_clip(dict(clip))
    # Random weights are the same in every process of a run.
    name = clip['name']
    torch.manual_seed(123)
    other = open_clip.create_model(name, force_custom_text=True)
    ours = build_clip(clip).model
    assert not torch.equal(other.visual.proj, ours.visual.proj)


def test_building_leaves_the_random_state_alone(clip):
    expected = torch.get_rng_state()
    build_clip(dict(clip, precision='bf16'))
    build_clip(dict(name='builtin:demo_clip'))
    assert torch.equal(torch.get_rng_state(), expected)


def test_low_precision_keeps_features_and_identity(clip, images):
    full = build_clip(clip)
    low = build_clip(dict(clip, precision='bf16'))
    assert low.digest == full.digest
    assert low.model.visual.proj.dtype == torch.bfloat16
    assert low.learned_dtype == torch.float32
    torch.testing.assert_close(low.encode_image(images).float(),
                               full.encode_image(images), rtol=.1, atol=.1)
    tokens = low.tokenize(['cat', 'owl'], 'a photo of a {}.')
    torch.testing.assert_close(low.encode_text(tokens).float(),
                               full.encode_text(tokens), rtol=.1, atol=.1)


@pytest.mark.skipif(torch.cuda.is_available(), reason='has a GPU for fp16')
@pytest.mark.parametrize('precision', ['fp16', 'pure_fp16'])
def test_fp16_falls_back_on_a_cpu_and_says_so(clip, precision, monkeypatch):
    said = []
    monkeypatch.setattr(loading, 'print_log', lambda text, **_:
                        said.append(text))
    built = build_clip(dict(clip, precision=precision))
    assert built.precision == 'fp32' and built.learned_dtype == torch.float32
    assert f'{precision!r} needs a GPU' in said[0]


def test_loads_an_openai_archive(tmp_path):
    """OpenAI's files are TorchScript archives in fp16 with three extra
    numbers."""
    architecture = open_clip.get_model_config('RN50-quickgelu')
    torch.manual_seed(1)
    model = open_clip.CLIP(**architecture)

    class Archive(torch.nn.Module):
        def forward(self, x):
            return x

    archive = Archive()
    for key, value in model.state_dict().items():
        *path, leaf = key.split('.')
        module = archive
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, torch.nn.Module())
            module = getattr(module, part)
        module.register_buffer(leaf, value.half() if value.is_floating_point()
                               else value)
    for scalar in ('input_resolution', 'context_length', 'vocab_size'):
        archive.register_buffer(scalar, torch.tensor(1))
    path = str(tmp_path / 'RN50.pt')
    torch.jit.script(archive).save(path)
    built = build_clip(dict(name='RN50-quickgelu', pretrained=path))
    torch.testing.assert_close(built.model.text.text_projection,
                               model.text_projection.half().float(),
                               rtol=0, atol=0)
    with pytest.raises(DeptError, match='RN101.*cannot be loaded'):
        build_clip(dict(name='RN101-quickgelu', pretrained=path))


def test_spec_needs_no_model():
    spec = clip_spec(dict(name='ViT-L-14-336-quickgelu', pretrained='openai'))
    assert (spec.embed_dim, spec.image_size) == (768, 336)
    assert spec.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    assert spec.interpolation == 'bicubic'
