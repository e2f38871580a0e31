"""Sentences and images find each other."""
import json
import sys

import pytest
import retrieve
import torch
from PIL import Image
from torch.nn import functional as F
from torchmetrics.retrieval import RetrievalHitRate

import dept_mm
from dept_mm.apis import (
    Captions,
    TunedModel,
    encode_sentences,
    measure_retrieval,
    read_captions,
)
from dept_mm.apis._retrieve import compute_recall
from dept_mm.errors import DeptError
from dept_mm.registry import MODELS

TEXTS = ['A cat.', 'an owl', 'two owls that sleep', 'an owl']


@pytest.fixture
def tuned(pair_configs):
    """A tuned classifier with a learner."""
    return lambda learner: TunedModel(MODELS.build(
        pair_configs[learner, 'DePTHead']).eval(), config=None)


def test_recall_against_torchmetrics():
    scores = torch.randn(40, 25)
    relevant = torch.zeros(40, 25, dtype=torch.bool)
    for i in range(40):
        relevant[i, torch.randperm(25)[:1 + i % 3]] = True
    queries = torch.arange(40)[:, None].expand(40, 25)
    for k, found in compute_recall(scores, relevant, (1, 3, 10)).items():
        expected = RetrievalHitRate(top_k=k)(scores, relevant, queries)
        assert found == pytest.approx(100 * float(expected), abs=1e-4)


def test_an_equal_score_is_no_hit():
    scores, relevant = torch.ones(1, 3), torch.tensor([[True, False, False]])
    assert compute_recall(scores, relevant, (1, 2, 3)) == {1: 0, 2: 0, 3: 100}


def test_zero_shot_is_that_of_clip(tuned):
    model = tuned('none')
    clip = model.module.backbone.clip
    expected = F.normalize(clip.model.encode_text(clip.tokenizer(
        ['A cat.', 'an owl.', 'two owls that sleep.', 'an owl.'])), dim=-1)
    torch.testing.assert_close(encode_sentences(model, TEXTS), expected)


def test_a_sentence_is_encoded_like_a_name(tuned):
    """With the learned context before it; the model itself stays."""
    model = tuned('CoOpPrompt')
    with torch.no_grad():
        feats = model.module.extract_feat(torch.zeros(1, 3, 32, 32))
    names = model.classes
    torch.testing.assert_close(encode_sentences(model, names),
                               F.normalize(feats.text, dim=-1))
    assert model.classes == names
    with pytest.raises(DeptError, match='CoCoOpPrompt.*for each image'):
        encode_sentences(tuned('CoCoOpPrompt'), TEXTS)
    with pytest.raises(DeptError, match='tokens'):
        encode_sentences(model, ['word ' * 80])


def test_reads_files(tmp_path):
    table = tmp_path / 'a.csv'
    table.write_text('path,caption\na.png,A cat.\nb.png,an owl\na.png,"a, b"')
    found = read_captions(table)
    assert found == Captions([str(tmp_path / 'a.png'), str(
        tmp_path / 'b.png')], ['A cat.', 'an owl', 'a, b'], [0, 1, 0])
    split = tmp_path / 'dataset_coco.json'
    split.write_text(json.dumps(dict(images=[
        dict(filename='x.jpg', filepath='val2014', split='test',
             sentences=[dict(raw=' one '), dict(raw='two')]),
        dict(filename='y.jpg', split='train', sentences=[dict(raw='no')])])))
    assert read_captions(split, '/photos') == Captions(
        ['/photos/val2014/x.jpg'], ['one', 'two'], [0, 0])
    for text, name in (('path,label\na,b', 'b.csv'), ('[]', 'b.json'),
                       ('{"images": [{}]}', 'c.json')):
        (tmp_path / name).write_text(text)
        with pytest.raises(DeptError, match='path and caption'):
            read_captions(tmp_path / name)
    with pytest.raises(DeptError, match='cannot be read'):
        read_captions(tmp_path / 'none.csv')
    with pytest.raises(DeptError, match="split 'val'"):
        read_captions(split, split='val')


def test_photos_and_sentences(tmp_path, monkeypatch, capsys):
    """Each is the best answer to itself where features say so."""
    model = dept_mm.load('dept_quickstart')
    names = model.classes[:3]
    for i in range(3):
        color = 90 * i, 20, 60
        Image.new('RGB', (64, 64), color).save(tmp_path / f'{i}.png')
    captions = Captions([str(tmp_path / f'{i}.png') for i in range(3)],
                        [*names, names[0]], [0, 1, 2, 0])
    found = measure_retrieval(model, captions, (1, 4))
    images = F.normalize(model.image_features(captions.paths), dim=-1)
    s = images @ encode_sentences(model, names).T
    to_text, to_image = ((s.argmax(i) == torch.arange(3)).double()
                         for i in (1, 0))
    assert found['image to text'] == pytest.approx({
        1: 100 * to_text.mean().item(), 4: 100})
    assert found['text to image'] == pytest.approx({
        1: 100 * to_image[[0, 1, 2, 0]].mean().item(), 4: 100})
    table = tmp_path / 'captions.csv'
    table.write_text('path,caption\n' + '\n'.join(
        f'{i}.png,{captions.texts[j]}' for j, i in enumerate(captions.image)))
    monkeypatch.setattr(sys, 'argv', [
        'retrieve.py', 'dept_quickstart', str(table), '-k', '1', '4'])
    retrieve.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == '3 images, 4 sentences'
    assert [float(x) for x in lines[-1].split()[3:]] == pytest.approx(
        list(found['text to image'].values()), abs=.006)
