"""CLIP-Adapter and Tip-Adapter."""
import math

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch.nn import functional as F

from dept_mm.engine.hooks.tip_adapter_hook import grid_search
from dept_mm.errors import DeptError
from dept_mm.models import CLIPAdapter, CLIPHead, DePTHead, TipAdapter
from dept_mm.models.clip import loading
from dept_mm.structures import CLIPFeatures, Vocabulary

WIDTH = 16
VIT = dict(name='ViT-B-16-quickgelu', pretrained='openai')
# Images in the order of a data set; 'red fox' has one only.
IDS = ('cat', 'red fox', 'cat', 'a_very_long_winded_class_name',
       'a_very_long_winded_class_name')


@pytest.fixture
def make_feats(vocabulary):
    random = torch.Generator().manual_seed(1)
    image = 3 * torch.randn(4, WIDTH, generator=random)
    text = torch.randn(5, WIDTH, generator=random)

    def make(*labels, vocabulary=vocabulary):
        labels = list(labels)
        return CLIPFeatures(text[labels], torch.tensor(labels),
                            vocabulary.ids, torch.tensor(100.), None, None,
                            None, image)

    return make


@pytest.fixture
def cached():
    """Un-normalised features of the images in the cache."""
    return 5 * torch.randn(len(IDS), WIDTH,
                           generator=torch.Generator().manual_seed(2))


@pytest.fixture
def tip(clip, vocabulary, cached):
    adapter = TipAdapter(clip, vocabulary, num_shots=2, alpha=2., beta=3.)
    adapter.fill(cached, IDS)
    return adapter


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize('name, expected', [
    ('ViT-B-16-quickgelu', 131_072), ('RN50-quickgelu', 524_288)])
def test_published_size_of_clip_adapter(name, expected):
    assert count(CLIPAdapter(dict(name=name))) == expected


def test_published_size_of_tip_adapter():
    classes = [f'class {i}' for i in range(50)]
    assert count(TipAdapter(VIT, classes, 16, trainable=True)) == 409_600
    assert count(TipAdapter(VIT, classes, 16)) == 0


def test_clip_adapter_formula(clip, make_feats):
    adapter = CLIPAdapter(clip, reduction=2, ratio=0.3)
    feats = make_feats(0, 1)
    found = adapter(feats)
    assert found[:-1] == feats[:-1]
    w1, w2 = adapter.down.weight, adapter.up.weight
    assert w1.shape == (8, 16) and w2.shape == (16, 8)
    for f, g in zip(feats.image, found.image, strict=True):
        hidden = (w1 @ f).clamp(min=0)
        torch.testing.assert_close(
            g, .3 * (w2 @ hidden).clamp(min=0) + .7 * f)


def test_ratio_zero_changes_nothing(clip, make_feats):
    feats = make_feats(0, 1)
    assert torch.equal(CLIPAdapter(clip, ratio=0.)(feats).image, feats.image)


@pytest.mark.parametrize('options, culprit', [
    (dict(reduction=0), 'reduction is 0'), (dict(reduction=17), 'and 16'),
    (dict(ratio=1.2), 'ratio is 1.2')])
def test_bad_options_of_clip_adapter(clip, options, culprit):
    with pytest.raises(DeptError, match=culprit):
        CLIPAdapter(clip, **options)


@pytest.mark.parametrize('precision, learned', [
    ('fp16', torch.float32), ('pure_fp16', torch.float16)])
def test_clip_adapter_beside_half_precision(clip, make_feats, monkeypatch,
                                            precision, learned):
    monkeypatch.setattr(loading, 'has_gpu', lambda: True)
    adapter = CLIPAdapter(dict(clip, precision=precision))
    assert adapter.up.weight.dtype == learned
    feats = make_feats(0)
    found = adapter(feats._replace(image=feats.image.half()))
    assert found.image.dtype == learned
    torch.testing.assert_close(found.image.float(),
                               adapter.float()(feats).image, rtol=0.01,
                               atol=0.01)


def dense(cached, image, ids, alpha, beta):
    """The formula as the paper writes it: a matrix of N keys, and N one-hot
    rows over the classes ``ids``."""
    keys = cached / cached.norm(dim=1, keepdim=True)
    image = image / image.norm(dim=1, keepdim=True)
    values = torch.tensor([[float(i == c) for c in ids] for i in IDS])
    return alpha * torch.exp(-beta * (1 - image @ keys.T)) @ values


@pytest.mark.parametrize('labels', [(0, 1, 2), (4, 2, 0, 3, 1), (3, 4)])
def test_tip_adapter_formula(tip, make_feats, vocabulary, cached, labels):
    feats = make_feats(*labels)
    found = tip(feats)
    ids = [vocabulary.ids[i] for i in labels]
    expected = dense(cached, feats.image, ids, 2., 3.)
    torch.testing.assert_close(found.bonus, expected)
    new = [i for i, label in enumerate(labels) if label > 2]
    assert not found.bonus[:, new].any()
    logits = 100 * F.cosine_similarity(feats.image[:, None],
                                       feats.text[None], dim=2)
    torch.testing.assert_close(CLIPHead()(found), logits + expected)
    assert torch.equal(CLIPHead()(found)[:, new], CLIPHead()(feats)[:, new])


def test_cache_follows_identity(tip, make_feats):
    """Another data set that shares one class, elsewhere."""
    other = Vocabulary(('emu', 'ox', 'cat', 'elk', 'cow'))
    bonus = tip(make_feats(0, 1, 2, 3, 4, vocabulary=other)).bonus
    own = tip(make_feats(0, 1, 2)).bonus
    assert torch.equal(bonus[:, 2], own[:, 1])
    assert bonus.any(0).tolist() == [False, False, True, False, False]


def test_bonus_of_one_image_by_hand(clip):
    adapter = TipAdapter(clip, ['cat'], 1, alpha=5., beta=2.)
    adapter.fill(torch.eye(WIDTH)[:1], ['cat'])
    image = torch.eye(WIDTH)[:1] + torch.eye(WIDTH)[1:2]  # 45 degrees
    feats = CLIPFeatures(None, torch.tensor([0]), ('cat', ), None, None, None,
                         None, image)
    expected = 5 * math.exp(-2 * (1 - math.sqrt(.5)))
    assert adapter(feats).bonus.item() == pytest.approx(expected)


def test_both_heads_train_on_the_bonus(tip, make_feats, vocabulary, samples):
    feats = tip(make_feats(0, 1, 2))
    y = torch.tensor([2, 0, 1, 2])
    expected = F.cross_entropy(
        CLIPHead()(feats._replace(bonus=None)) + feats.bonus, y)
    torch.testing.assert_close(CLIPHead().loss(feats, samples)['loss'],
                               expected)
    head = DePTHead(vocabulary, in_channels=WIDTH)
    torch.testing.assert_close(head.loss(feats, samples)['loss_itm'],
                               .3 * expected)
    second = (head(feats._replace(bonus=None))
              - .3 * CLIPHead()(feats._replace(bonus=None)))
    torch.testing.assert_close(head(feats), second + .3 * CLIPHead()(feats))


def test_only_keys_of_images_learn(clip, vocabulary, cached, make_feats,
                                   samples):
    adapter = TipAdapter(clip, vocabulary, 2, trainable=True)
    adapter.fill(cached, IDS)
    CLIPHead().loss(adapter(make_feats(0, 1, 2)), samples)['loss'].backward()
    assert [n for n, _ in adapter.named_parameters()] == ['keys']
    assert adapter.keys.grad.any(2).tolist() == [
        [True, False], [True, True], [True, True]]


def test_empty_cache_says_what_to_do(clip, vocabulary, make_feats):
    adapter = TipAdapter(clip, vocabulary, 2)
    with pytest.raises(DeptError, match='empty.*TipAdapterHook.*checkpoint'):
        adapter(make_feats(0, 1, 2))


def test_it_needs_classes(tip, make_feats):
    with pytest.raises(DeptError, match='vocabulary=_base_.dataset'):
        tip(make_feats(0)._replace(labels=None))


@pytest.mark.parametrize('ids, culprit', [
    (('bee', ) + IDS[1:], "images of .'bee'.*not base"),
    (('cat', ) * 5, "num_shots=2.*'cat' has 5")])
def test_images_that_have_no_place(clip, vocabulary, cached, ids, culprit):
    adapter = TipAdapter(clip, vocabulary, 2)
    with pytest.raises(DeptError, match=culprit):
        adapter.fill(cached, ids)
    assert not adapter.filled


@pytest.mark.parametrize('option', ['num_shots', 'alpha', 'beta'])
def test_bad_options_of_tip_adapter(clip, vocabulary, option):
    with pytest.raises(DeptError, match=f'{option} is -1'):
        TipAdapter(clip, vocabulary, **{'num_shots': 1, option: -1})


@pytest.mark.parametrize('trainable', [False, True])
def test_checkpoint_rows_are_put_in_order(tip, clip, vocabulary, make_feats,
                                          trainable):
    """Keys, counts, alpha and beta travel, also from Tip-Adapter to -F."""
    other = TipAdapter(clip, vocabulary.base[::-1], 2, trainable=trainable)
    load_state_dict(other, tip.state_dict(), strict=True)
    assert torch.equal(other.keys, tip.keys.flip(0))
    assert other.count.tolist() == tip.count.flip(0).tolist() == [2, 2, 1]
    torch.testing.assert_close(other(make_feats(0, 1, 2)).bonus,
                               tip(make_feats(0, 1, 2)).bonus)


def test_checkpoints_that_do_not_fit(tip, clip, vocabulary):
    state = tip.state_dict()
    with pytest.raises(DeptError, match="TipAdapter.*'cow', 'ox'.*red fox"):
        load_state_dict(TipAdapter(clip, ['cat', 'cow', 'ox'], 2),
                        dict(state))
    with pytest.raises(DeptError, match=r'keys: \(3, 2, 16\)'):
        load_state_dict(TipAdapter(clip, vocabulary, 3), dict(state))
    with pytest.raises(DeptError, match='not made with CLIPAdapter'):
        load_state_dict(CLIPAdapter(clip), {})


@pytest.mark.parametrize('scale', [1., 30.])
def test_search_is_brute_force(tip, cached, scale):
    """Every pair, scored image by image; of equals the first one."""
    random = torch.Generator().manual_seed(3)
    image = torch.randn(12, WIDTH, generator=random)
    logits = scale * torch.randn(12, 3, generator=random)
    target = torch.randint(3, (12, ), generator=random)
    best = -1
    ids = tip.class_ids
    for j in range(200):
        beta = 0.1 + j * (7 - 0.1) / 200
        for i in range(20):
            alpha = 0.1 + i * (3 - 0.1) / 20
            z = logits + dense(cached, image, ids, alpha, beta)
            right = int((z.argmax(1) == target).sum())
            if right > best:
                best, pair = right, (alpha, beta)
    found = grid_search(tip, logits, image, target, 3., 7.)
    assert found == best
    assert (tip.alpha.item(), tip.beta.item()) == pytest.approx(pair)
