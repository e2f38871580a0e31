"""Sentences of single classes, against open_clip's own text encoder."""
import json

import pytest
import torch
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.class_texts import ClassSentences, sentences
from dept_mm.structures import Vocabulary

COOP = dict(type='CoOpPrompt', num_tokens=4)
GIVEN = {'cat': ['a cat sleeps.', 'A cat_flap, {} and all!', 'it purrs'],
         'owl': ['an owl at night.'], 'red fox': ['a fox.', 'red fur.']}
NAMES = ('red_fox', 'owl', 'cat')


def plain(clip, name, normalize):
    """One sentence at a time."""
    texts = [clip.model.encode_text(clip.tokenizer([s]), normalize=normalize)
             for s in GIVEN[name.replace('_', ' ')]]
    return torch.cat(texts).mean(0)


@pytest.fixture(params=['mapping', 'file'])
def given(request, tmp_path):
    if request.param == 'mapping':
        return GIVEN
    path = tmp_path / 'cupl.json'
    path.write_text(json.dumps(GIVEN))
    return str(path)


@pytest.mark.parametrize('at_once', [2, 256])
@pytest.mark.parametrize('kind', ['vit', 'not_causal'])
def test_zero_shot(clip_configs, images, monkeypatch, given, kind, at_once):
    monkeypatch.setattr(sentences, 'AT_ONCE', at_once)
    backbone = PromptedCLIP(clip_configs[kind], NAMES, sentences=given).eval()
    expected = torch.stack([plain(backbone.clip, n, True) for n in NAMES])
    torch.testing.assert_close(backbone(images).text, expected)
    backbone.set_vocabulary(Vocabulary(('cat', )))
    torch.testing.assert_close(backbone(images).text, expected[2:])


def test_zero_shot_in_parts(clip, images):
    whole, parts = (PromptedCLIP(clip, NAMES, sentences=GIVEN, class_chunk=n)
                    .eval()(images).text for n in (None, 2))
    torch.testing.assert_close(parts, whole)


def test_teacher(clip, images, given):
    vocabulary = Vocabulary((*NAMES, 'never described'), NAMES[:2])
    backbone = PromptedCLIP(clip, vocabulary, COOP, teacher=dict(
        sentences=given)).train()
    torch.testing.assert_close(backbone(images).teacher.text, torch.stack(
        [plain(backbone.clip, name, False) for name in NAMES[:2]]))
    assert not torch.allclose(*(
        torch.stack([F.normalize(plain(backbone.clip, 'cat', normalize),
                                 dim=0)]) for normalize in (True, False)))


LONG = 'a ' * 80


@pytest.mark.parametrize('given, culprit', [
    (dict(owl=['x']), r"2 classes: \['red_fox', 'cat'\]"),
    (dict(GIVEN, owl=[]), "'owl' needs a list of one or more"),
    (dict(GIVEN, owl='an owl'), "'owl' needs a list of one or more"),
    (dict(GIVEN, owl=['an owl', ' ']), "'owl' needs a list of one or more"),
    (dict(GIVEN, owl=['an owl', LONG]), "'owl': the sentence 'a a a .* 77"),
    (dict(GIVEN, red_fox=['x']), "'red_fox' is listed twice"),
    ('nowhere.json', "'nowhere.json': the file cannot be read")])
def test_mistakes_are_found_when_the_model_is_built(clip, given, culprit):
    for options in (dict(sentences=given),
                    dict(prompt=COOP, teacher=dict(sentences=given))):
        with pytest.raises(DeptError, match=culprit):
            PromptedCLIP(clip, NAMES, **options)


def test_files_of_another_form(tmp_path):
    path = tmp_path / 'list.json'
    for text, culprit in (('[]', 'holds no object'), ('{', 'cannot be read')):
        path.write_text(text)
        with pytest.raises(DeptError, match=culprit):
            ClassSentences(str(path))


def test_beside_templates(clip, images):
    """All sentences of a class weigh the same, as in APE's code."""
    vocabulary = Vocabulary(NAMES, templates=('a {} in the snow.', ))
    backbone = PromptedCLIP(clip, vocabulary, sentences=GIVEN,
                            templates=[None, 'one {}']).eval()
    own = backbone.clip
    texts = own.model.encode_text(own.tokenizer(
        ['a red fox in the snow.', 'one red fox', *GIVEN['red fox']]), True)
    torch.testing.assert_close(backbone(images).text[0], texts.mean(0))


def test_capitals_where_only_they_differ():
    sentences = ClassSentences({'Sea Lake': ['x'], 'Fox': ['y'],
                                'fox': ['z'], 'Owl': ['o'], 'OWL': ['w']})
    assert sentences.look_up(['sea_lake', 'fox', 'Fox']) == [
        ('x', ), ('z', ), ('y', )]
    with pytest.raises(DeptError, match=r"\['owl'\]"):
        sentences.look_up(['owl'])


def test_a_learner_that_reads_frozen_texts(clip, images):
    prompt = dict(type='TCPPrompt', layer=1, reduction=2)
    backbone = PromptedCLIP(clip, NAMES, prompt, sentences=GIVEN)
    seen = []
    backbone.prompt.for_text = lambda given: seen.append(
        given.frozen) or type(backbone.prompt).for_text(
            backbone.prompt, given)
    backbone.eval()(images)
    torch.testing.assert_close(seen[0], torch.stack(
        [plain(backbone.clip, name, False) for name in NAMES]))
    with pytest.raises(DeptError, match='there are no sentences for'):
        backbone.set_vocabulary(Vocabulary(('cow', )))


@pytest.mark.parametrize('options', [
    dict(sentences=GIVEN, prompt=COOP),
    dict(teacher=dict(sentences=GIVEN, templates='a {}.'))])
def test_one_source_of_sentences(clip, options):
    with pytest.raises(DeptError, match="'sentences'"):
        PromptedCLIP(clip, NAMES, **options)
