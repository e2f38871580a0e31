"""Similarity head and dual head."""
import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.structures import DataSample
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import CLIPHead, DePTHead, PromptedCLIP
from dept_mm.models.clip import loading
from dept_mm.structures import CLIPFeatures, Vocabulary

WIDTH, SCALE = 16, 100.


@pytest.fixture(params=['shared', 'per_image'])
def make_feats(request):
    """Features of four images for any subset of the vocabulary."""
    random = torch.Generator().manual_seed(0)
    image = torch.randn(4, WIDTH, generator=random)
    text = torch.randn(4, 5, WIDTH, generator=random)
    if request.param == 'shared':
        text = text[0]

    def make(vocabulary, labels):
        return CLIPFeatures(text[..., labels, :], torch.tensor(labels),
                            vocabulary.ids, torch.tensor(SCALE), None, None,
                            None, image)

    return make


def randomised(head):
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, 0.5)
    return head


def test_similarity_is_scaled_cosine(make_feats, vocabulary):
    feats = make_feats(vocabulary, [0, 1, 2, 3, 4])
    text = feats.text.expand(4, 5, WIDTH)
    expected = SCALE * F.cosine_similarity(feats.image[:, None], text, dim=2)
    torch.testing.assert_close(CLIPHead()(feats), expected)


@pytest.mark.parametrize('options', [
    dict(), dict(transform=False), dict(loss_weight=0.3, fusion_weight=0.9),
    dict(similarity_weight=0.6)])
def test_dept_loss_as_in_the_paper(make_feats, vocabulary, samples, options):
    feats = make_feats(vocabulary, [0, 1, 2])
    head = randomised(DePTHead(vocabulary, in_channels=WIDTH, **options))
    y = torch.tensor([2, 0, 1, 2])
    text = feats.text.expand(4, 3, WIDTH)[torch.arange(4), y]
    image = feats.image
    if options.get('transform', True):
        g = head.image_transform, head.text_transform
        image = g[0].scale * image + g[0].bias
        text = g[1].scale * text + g[1].bias
    rows = torch.cat([text, image])  # text first
    second = F.cross_entropy(
        rows @ head.linear.weight.T + head.linear.bias, torch.cat([y, y]))
    first = F.cross_entropy(CLIPHead()(feats), y)
    weight = options.get('loss_weight', 0.7)
    losses = head.loss(feats, samples)
    torch.testing.assert_close(
        losses['loss_itm'],
        options.get('similarity_weight', 1 - weight) * first)
    torch.testing.assert_close(losses['loss_cat'], weight * second)


@pytest.mark.parametrize('fusion', ['logits', 'probs'])
@pytest.mark.parametrize('classifier', ['linear', 'similarity'])
def test_fusion(make_feats, vocabulary, fusion, classifier):
    feats = make_feats(vocabulary, [0, 1, 2])
    head = randomised(DePTHead(
        vocabulary, in_channels=WIDTH, fusion=fusion, classifier=classifier,
        fusion_weight=0.6))
    image = head.image_transform(feats.image)
    if classifier == 'linear':
        second = image @ head.linear.weight.T + head.linear.bias
    else:
        second = CLIPHead()(feats._replace(
            image=image, text=head.text_transform(feats.text)))
    s = CLIPHead()(feats)
    if fusion == 'logits':
        torch.testing.assert_close(head(feats), .4 * s + .6 * second)
    else:
        expected = .4 * s.softmax(1) + .6 * second.softmax(1)
        torch.testing.assert_close(head(feats).softmax(1), expected)


def test_similarity_variant_trains_on_transformed_features(
        make_feats, vocabulary, samples):
    feats = make_feats(vocabulary, [0, 1, 2])
    head = randomised(DePTHead(vocabulary, in_channels=WIDTH,
                               classifier='similarity', loss_weight=1.))
    moved = feats._replace(image=head.image_transform(feats.image),
                           text=head.text_transform(feats.text))
    expected = CLIPHead().loss(moved, samples)['loss']
    torch.testing.assert_close(head.loss(feats, samples)['loss_cat'],
                               expected)


def test_lambda_zero_is_the_host_exactly(make_feats, vocabulary, samples):
    head = randomised(DePTHead(vocabulary, in_channels=WIDTH, loss_weight=0.,
                               fusion_weight=0.))
    feats = make_feats(vocabulary, [0, 1, 2])
    loss = sum(head.loss(feats, samples).values())
    assert torch.equal(loss, CLIPHead().loss(feats, samples)['loss'])
    for labels in ([0, 1, 2], [3, 4], [0, 1, 2, 3, 4]):
        feats = make_feats(vocabulary, labels)
        assert torch.equal(head(feats), CLIPHead()(feats))


def test_new_classes_never_touch_the_dept_head(make_feats, vocabulary):
    head = randomised(DePTHead(vocabulary, in_channels=WIDTH))
    for parameter in head.parameters():
        parameter.data.fill_(float('nan'))
    feats = make_feats(vocabulary, [3, 4])
    assert torch.equal(head(feats), CLIPHead()(feats))


def test_beside_new_classes_base_keeps_its_mass_and_order(make_feats,
                                                          vocabulary):
    head = randomised(DePTHead(vocabulary, in_channels=WIDTH))
    z = head(make_feats(vocabulary, [4, 0, 1, 2, 3]))
    s = CLIPHead()(make_feats(vocabulary, [4, 0, 1, 2, 3]))
    alone = head(make_feats(vocabulary, [0, 1, 2]))
    torch.testing.assert_close(z[:, 1:4].softmax(1), alone.softmax(1))
    assert torch.equal(z[:, [0, 4]], s[:, [0, 4]])
    torch.testing.assert_close(z[:, 1:4].logsumexp(1),
                               s[:, 1:4].logsumexp(1))


def test_rows_follow_identity(make_feats, vocabulary):
    """Another data set that has one base class among others, elsewhere."""
    head = randomised(DePTHead(vocabulary, in_channels=WIDTH))
    whole = head(make_feats(vocabulary, [0, 1, 2]))
    order = [2, 0, 1]
    permuted = head(make_feats(vocabulary, order))
    torch.testing.assert_close(permuted, whole[:, order])
    foreign = Vocabulary(('cow', 'ox', 'cat', 'elk', 'emu'))
    feats = make_feats(foreign, [0, 1, 2, 3, 4])
    second = (head.image_transform(feats.image) @ head.linear.weight.T
              + head.linear.bias)[:, 1]
    s = CLIPHead()(feats)
    # One class alone: fused, then shifted back to the mass it had.
    assert second.isfinite().all()
    torch.testing.assert_close(head(feats), s)


def test_checkpoint_rows_are_put_in_order(vocabulary):
    head = randomised(DePTHead(vocabulary, in_channels=WIDTH))
    flipped = DePTHead(vocabulary.base[::-1], in_channels=WIDTH)
    load_state_dict(flipped, head.state_dict())
    assert torch.equal(flipped.linear.weight, head.linear.weight.flip(0))
    assert torch.equal(flipped.linear.bias, head.linear.bias.flip(0))


def test_rows_of_a_part_of_the_classes_are_picked(vocabulary):
    head = randomised(DePTHead(vocabulary, in_channels=WIDTH))
    part = DePTHead(vocabulary.base[2:0:-1], in_channels=WIDTH)
    load_state_dict(part, head.state_dict())
    assert torch.equal(part.linear.weight, head.linear.weight[[2, 1]])
    assert torch.equal(part.linear.bias, head.linear.bias[[2, 1]])


def test_checkpoint_of_other_classes_is_refused(vocabulary):
    state = DePTHead(vocabulary, in_channels=WIDTH).state_dict()
    other = DePTHead(('cat', 'cow', 'ox'), in_channels=WIDTH)
    with pytest.raises(DeptError, match="'cow', 'ox'.*red fox"):
        load_state_dict(other, state)


@pytest.mark.parametrize('label, culprit', [
    (4, "class 'bee'.*not a base class"), (7, 'Label 7 is out of range')])
def test_training_on_other_classes_is_refused(make_feats, vocabulary, label,
                                              culprit):
    head = DePTHead(vocabulary, in_channels=WIDTH)
    feats = make_feats(vocabulary, [0, 1, 2])
    with pytest.raises(DeptError, match=culprit):
        head.loss(feats, [DataSample().set_gt_label(label)] * 4)


def test_training_without_a_row_is_refused(make_feats, vocabulary):
    head = DePTHead(('red fox', 'cat'), in_channels=WIDTH)
    feats = make_feats(vocabulary, [0, 1, 2])
    with pytest.raises(DeptError, match='no row for class .a_very_long'):
        head.loss(feats, [DataSample().set_gt_label(2)] * 4)


@pytest.mark.parametrize('options, culprit', [
    (dict(loss_weight=1.5), 'loss_weight is 1.5'),
    (dict(fusion_weight=-1), 'fusion_weight is -1'),
    (dict(similarity_weight=-1), 'similarity_weight is -1'),
    (dict(term_weight=-1), 'term_weight is -1'),
    (dict(fusion='sum'), "fusion='sum'"),
    (dict(classifier='mlp'), "classifier='mlp'"),
    (dict(classifier='similarity', transform=False), 'twice'),
    (dict(clip=dict(name='RN50')), "either 'clip'"),
    (dict(in_channels=None), "either 'clip'"),
])
def test_bad_options(vocabulary, options, culprit):
    with pytest.raises(DeptError, match=culprit):
        DePTHead(vocabulary, **dict(dict(in_channels=WIDTH), **options))


def test_width_comes_from_the_clip(vocabulary):
    head = DePTHead(vocabulary, clip=dict(name='RN50-quickgelu'))
    assert head.linear.in_features == 1024
    count = sum(p.numel() for p in head.parameters())
    assert count == 4 * 1024 + 3 * 1025  # transforms, then 513 C at d = 512


def test_predictions_carry_logits(make_feats, vocabulary):
    head = DePTHead(vocabulary, in_channels=WIDTH)
    feats = make_feats(vocabulary, [0, 1, 2, 3, 4])
    for sample, logit in zip(head.predict(feats), head(feats), strict=True):
        torch.testing.assert_close(sample.pred_score, logit.softmax(0))
        assert torch.equal(sample.pred_logit, logit)
        assert sample.pred_label == logit.argmax()


@pytest.mark.parametrize('precision, learned', [
    ('fp16', torch.float32), ('pure_fp16', torch.float16)])
def test_half_precision_step(clip_configs, vocabulary, samples, images,
                             monkeypatch, precision, learned):
    """A step as on a GPU; CPUs can do it, only slowly."""
    monkeypatch.setattr(loading, 'has_gpu', lambda: True)
    clip = dict(clip_configs['vit'], precision=precision)
    backbone = PromptedCLIP(clip, vocabulary, dict(type='CoOpPrompt'))
    head = DePTHead(vocabulary, clip=clip)
    assert backbone.clip.model.visual.conv1.weight.dtype == torch.float16
    assert backbone.prompt.context.dtype == learned
    assert head.linear.weight.dtype == learned
    assert head.image_transform.scale.dtype == torch.float32
    feats = backbone.train()(images)
    assert feats.image.dtype == feats.text.dtype == torch.float16
    loss = sum(head.loss(feats, samples).values())
    loss.backward()
    full = PromptedCLIP(clip_configs['vit'], vocabulary,
                        dict(type='CoOpPrompt')).train()
    full.prompt.context.data.copy_(backbone.prompt.context)
    expected = sum(head.loss(full(images), samples).values())
    assert loss.item() == pytest.approx(expected.item(), rel=.02)
    for parameter in (*backbone.parameters(), *head.parameters()):
        assert parameter.grad.isfinite().all() and parameter.grad.any()
