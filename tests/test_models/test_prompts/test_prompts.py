"""What is particular to one prompt learner; see test_prompted_clip.py for
what all have in common, and tests/parity for their numbers."""
import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.structures import Vocabulary


@pytest.mark.parametrize('options, culprit', [
    (dict(position='back'), "'back'"),
    (dict(num_tokens=0), 'num_tokens is 0'),
    (dict(num_tokens=80), 'CoOpPrompt: num_tokens is 80.* 77 tokens'),
])
def test_bad_coop_options(clip, vocabulary, options, culprit):
    with pytest.raises(DeptError, match=culprit):
        PromptedCLIP(clip, vocabulary, dict(type='CoOpPrompt', **options))


def test_coop_starts_from_words_or_noise(clip, vocabulary):
    def context(**options):
        return PromptedCLIP(clip, vocabulary, dict(
            type='CoOpPrompt', **options)).prompt.context.data

    words = context(words='a photo of a')
    table = PromptedCLIP(clip).clip.model.text.token_embedding.weight
    torch.testing.assert_close(words, table[[320, 1125, 539, 320]])
    own = context(words='a photo of a', class_specific=True)
    torch.testing.assert_close(own, words.repeat(3, 1, 1))
    noise = context(num_tokens=16, class_specific=True)
    assert noise.shape == (3, 16, 32)
    assert noise.std().item() == pytest.approx(.02, rel=.1)


def test_class_specific_contexts_refuse_unseen_classes(clip, vocabulary,
                                                       images):
    backbone = PromptedCLIP(clip, vocabulary, dict(
        type='CoOpPrompt', class_specific=True)).eval()
    with pytest.raises(DeptError, match="trained on: \\['owl', 'bee'\\]"):
        backbone(images)
    backbone.set_vocabulary(Vocabulary(vocabulary.base[::-1]))
    context = backbone.prompt.context
    feats = backbone(images)  # the same classes in another order
    backbone.set_vocabulary(Vocabulary(vocabulary.base))
    torch.testing.assert_close(feats.text.flip(0), backbone(images).text)
    assert len(context) == 3


@pytest.mark.parametrize('config, culprit', [
    (dict(type='IVLPPrompt', num_text_tokens=0, num_image_tokens=0),
     'nothing to learn'),
    (dict(type='IVLPPrompt', text_depth=3),
     'IVLPPrompt: text_depth is 3.*TextTower.*2 blocks'),
    (dict(type='IVLPPrompt', image_depth=0), 'image_depth is 0'),
    (dict(type='IVLPPrompt', num_text_tokens=80), 'num_text_tokens is 80'),
    (dict(type='MaPLePrompt'), 'MaPLePrompt: depth is 9'),
    (dict(type='MaPLePrompt', num_tokens=5, depth=1),
     'MaPLePrompt: num_tokens is 5.*has 4 tokens'),
    (dict(type='MaPLePrompt', num_tokens=0, depth=1), 'num_tokens is 0'),
    (dict(type='CoCoOpPrompt', reduction=0), 'CoCoOpPrompt: reduction is 0'),
    (dict(type='CoCoOpPrompt', reduction=17), 'between 1 and 16'),
    (dict(type='CoCoOpPrompt', words=None, num_tokens=80, reduction=2),
     'CoCoOpPrompt: num_tokens is 80'),
    (dict(type='TCPPrompt'), 'TCPPrompt: layer is 8.*2 blocks'),
    (dict(type='TCPPrompt', layer=0), 'between 1 and 1'),
    (dict(type='TCPPrompt', layer=1, reduction=0), 'reduction is 0'),
    (dict(type='TCPPrompt', layer=1, words=None, num_tokens=80),
     'TCPPrompt: num_tokens is 80'),
    (dict(type='MMRLPrompt'), 'MMRLPrompt: first_block is 6.*2 blocks'),
    (dict(type='MMRLPrompt', first_block=1, blend=1.5), 'blend is 1.5'),
    (dict(type='ATPrompt', host=dict(type='LatePrompt')), 'prompt module'),
    (dict(type='ATPrompt', attributes=[], host=dict(type='CoOpPrompt')),
     'attributes must be a list'),
    (dict(type='ATPrompt', host=dict(type='CoOpPrompt', position='front')),
     'CoOpPrompt has no context behind the start'),
    (dict(type='ATPrompt', host=dict(type='CLIPLoRA')),
     'CLIPLoRA has no context behind the start'),
])
def test_bad_options(clip, vocabulary, config, culprit):
    with pytest.raises(DeptError, match=culprit):
        PromptedCLIP(clip, vocabulary, config)


@pytest.mark.parametrize('kind', ['resnet', 'timm'])
@pytest.mark.parametrize('learner', ['IVLPPrompt', 'MMRLPrompt',
                                     'MaPLePrompt'])
def test_visual_prompts_need_a_vit(clip_configs, vocabulary, learner, kind):
    with pytest.raises(DeptError, match='no tokens'):
        PromptedCLIP(clip_configs[kind], vocabulary, dict(
            type=learner, **dict(MaPLePrompt=dict(depth=1), MMRLPrompt=dict(
                first_block=1)).get(learner, {})))


def test_a_meta_net_of_another_width_is_refused(clip, vocabulary):
    """The message names both shapes."""
    for learner in ('CoCoOpPrompt', 'TCPPrompt'):
        layer = dict(layer=1) if learner == 'TCPPrompt' else {}
        narrow, wide = (PromptedCLIP(clip, vocabulary, dict(
            type=learner, reduction=n, **layer)) for n in (4, 2))
        with pytest.raises(DeptError, match=r'meta_net.0.weight: '
                           r'\(4, 16\) in the checkpoint, \(8, 16\) in'):
            load_state_dict(wide, narrow.state_dict())


def test_visual_prompts_alone_keep_the_template(clip, vocabulary, images):
    """VPT: the text is that of zero-shot CLIP."""
    vpt = PromptedCLIP(clip, vocabulary, dict(
        type='IVLPPrompt', num_text_tokens=0, image_depth=2)).eval()
    zero_shot = PromptedCLIP(clip, vocabulary).eval()
    torch.testing.assert_close(vpt(images).text, zero_shot(images).text)
    assert not torch.allclose(vpt(images).image, zero_shot(images).image)
    assert {tuple(p.shape) for p in vpt.parameters()} == {(4, 32)}


def test_cocoop_looks_at_the_direction_of_the_image_alone(clip, vocabulary,
                                                          images):
    backbone = PromptedCLIP(clip, vocabulary, dict(
        type='CoCoOpPrompt', reduction=2)).eval()
    given = backbone(images).image
    first, second = (backbone.text_features(scale * given)
                     for scale in (1., 7.))
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first[0], first[1])
