"""The backbone and every prompt learner that is registered."""
import copy

import pytest
import torch
from mmengine.runner.checkpoint import get_state_dict, load_state_dict
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.structures import Vocabulary


@pytest.fixture
def backbone(learner, clip, vocabulary):
    return PromptedCLIP(clip, vocabulary, learner)


def test_owns_only_what_is_learned(backbone, images):
    names = [n for n, _ in backbone.named_parameters()]
    assert names and all(n.startswith('prompt.') for n in names)
    for parameter in backbone.parameters():  # some factors start at zero
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    feats = backbone.train()(images)
    found = feats.image, feats.text, *(feats.extra or {}).values()
    sum(x.sum() for x in found).backward()
    for parameter in backbone.parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any()
    frozen = [p for p in backbone.clip.parameters() if p.grad is not None]
    assert not frozen


def test_encodes_base_in_training_and_all_in_evaluation(backbone, images,
                                                        vocabulary):
    training = backbone.train()(images)
    assert training.labels.tolist() == vocabulary.base_labels
    evaluation = backbone.eval()(images)
    assert evaluation.labels.tolist() == [0, 1, 2, 3, 4]
    torch.testing.assert_close(evaluation.text[..., :3, :], training.text)
    assert evaluation[-1] is evaluation.image


def test_keeps_the_text_classifier_until_something_changes(backbone, images):
    backbone.eval()
    with torch.no_grad():
        first = backbone(images).text
        assert backbone(images).text is first or backbone.prompt.per_image
        for parameter in backbone.parameters():
            parameter.add_(torch.randn_like(parameter))
        changed = backbone(images).text
        assert not torch.allclose(changed, first)
        backbone.set_vocabulary(Vocabulary(('cow', )))
        assert backbone(images).text.shape[-2] == 1


def test_state_dict_round_trip(backbone, learner, images, clip, vocabulary):
    other = PromptedCLIP(clip, vocabulary, learner)
    for parameter in backbone.parameters():
        parameter.data.normal_()
    # Both ways of the framework: torch's own, and mmengine's walk.
    for save, load in ((backbone.state_dict, other.load_state_dict),
                       (lambda: get_state_dict(backbone),
                        lambda state: load_state_dict(other, state))):
        for parameter in other.parameters():
            parameter.data.zero_()
        state = save()
        assert sum(v.numel() * v.element_size()
                   for v in state.values()) < 250_000
        load(state)
        torch.testing.assert_close(other.eval()(images).text,
                                   backbone.eval()(images).text)


def test_a_checkpoint_serves_other_classes(backbone, learner, images, clip,
                                           vocabulary):
    """Nothing that is learned belongs to a class."""
    other = PromptedCLIP(clip, Vocabulary(('cow', 'big ox')), learner)
    state = backbone.state_dict()
    kept = set(state) - {n for n, _ in backbone.named_parameters()}
    assert {key.split('.')[-1] for key in kept} <= {'header', 'rows_seen'}
    other.load_state_dict(state)
    other.set_vocabulary(vocabulary)
    torch.testing.assert_close(other.eval()(images).text,
                               backbone.eval()(images).text)


def test_averaged_copies_share_the_clip(backbone):
    assert copy.deepcopy(backbone).clip is backbone.clip


def test_the_clip_follows_where_the_module_goes(backbone, images):
    try:
        feats = backbone.double().eval()(images.double())
        assert feats.image.dtype == feats.text.dtype == torch.float64
        for tokens in backbone.texts.tokens.values():
            assert tokens.ids.dtype == torch.long
    finally:
        backbone.float()  # other tests share the CLIP


@pytest.mark.parametrize('templates', [
    None, 'a {}.', ['a {}.', 'the {} there.', None]])
def test_zero_shot_is_the_mean_of_templates(clip, vocabulary, images,
                                            templates):
    backbone = PromptedCLIP(clip, vocabulary, templates=templates).eval()
    assert not list(backbone.parameters())
    templates = templates or list(vocabulary.templates)
    templates = [templates] if isinstance(templates, str) else templates
    templates = [t or vocabulary.templates[0] for t in templates]
    own = backbone.clip
    texts = []
    for template in templates:
        ids = own.tokenizer([template.format(n.replace('_', ' '))
                             for n in vocabulary.names])
        texts.append(own.model.encode_text(ids, normalize=True))
    expected = F.normalize(torch.stack(texts).mean(0), dim=-1)
    found = F.normalize(backbone(images).text, dim=-1)
    torch.testing.assert_close(found, expected)


def test_image_tower_alone(clip, images):
    feats = PromptedCLIP(clip)(images)
    assert feats.text is None and feats[-1].shape == (4, 16)


def test_refuses_the_checkpoint_of_another_clip(clip, clip_configs,
                                                vocabulary):
    prompt = dict(type='CoOpPrompt', num_tokens=4)
    state = PromptedCLIP(clip, vocabulary, prompt).state_dict()
    other = PromptedCLIP(clip_configs['resnet'], vocabulary, prompt)
    with pytest.raises(DeptError, match='clip.name and clip.pretrained'):
        load_state_dict(other, state)


@pytest.mark.parametrize('prompt, culprit', [
    (None, 'holds a CoOpPrompt'),
    (dict(type='CoOpPrompt', num_tokens=8), r'\(4, 32\).*\(8, 32\)'),
])
def test_refuses_another_learner(clip, vocabulary, prompt, culprit):
    state = PromptedCLIP(clip, vocabulary, dict(
        type='CoOpPrompt', num_tokens=4)).state_dict()
    with pytest.raises(DeptError, match=culprit):
        load_state_dict(PromptedCLIP(clip, vocabulary, prompt), state)


LATE = dict(type='LatePrompt', layer=1, generator='appg')


@pytest.mark.parametrize('trained, built, culprit', [
    (dict(type='CoOpPrompt', position='middle'), dict(type='CoOpPrompt'),
     "'middle'.*'end'"),
    (dict(type='TowerPrompts', text=[LATE]),
     dict(type='TowerPrompts', text=[dict(LATE, generator='mppg')]),
     "'appg'.*'mppg'"),
    (dict(type='TowerPrompts', image=[dict(type='ADePTPrompt')]),
     dict(type='TowerPrompts', image=[dict(type='ADePTPrompt',
                                           scope='no_special')]),
     "'all'.*'no_special'"),
])
def test_refuses_what_shapes_do_not_tell(clip, vocabulary, trained, built,
                                         culprit):
    state = PromptedCLIP(clip, vocabulary, trained).state_dict()
    with pytest.raises(DeptError, match=culprit):
        load_state_dict(PromptedCLIP(clip, vocabulary, built), state)


def test_refuses_a_foreign_checkpoint(clip, vocabulary):
    backbone = PromptedCLIP(clip, vocabulary, dict(type='CoOpPrompt'))
    state = {'prompt.context': backbone.prompt.context.data}
    with pytest.raises(DeptError, match="no 'header'"):
        load_state_dict(backbone, state)
    state['header'] = torch.tensor([1, 2, 3], dtype=torch.uint8)
    with pytest.raises(DeptError, match='damaged'):
        load_state_dict(backbone, state)
