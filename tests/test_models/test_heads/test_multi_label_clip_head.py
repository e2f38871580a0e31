"""Several labels an image, by similarity to class texts."""
import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import CLIPHead, MultiLabelCLIPHead


@pytest.fixture
def make(clip, vocabulary):
    """``make(prompt, **head) -> classifier`` of the five classes."""
    def make(prompt=None, **head):
        return MODELS.build(dict(
            type='ImageClassifier',
            backbone=dict(type='PromptedCLIP', clip=clip, prompt=prompt,
                          vocabulary=vocabulary.to_dict()),
            head=dict(type='MultiLabelCLIPHead', **head)))

    return make


def samples_of(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


LABELS = ([0, 2], [1], [2], [0, 1, 2])
TARGET = [[1., 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 1]]


def test_loss_is_over_base_classes(make, images):
    model = make(bias=-3.).train()
    feats = model.extract_feat(images)
    loss = model.head.loss(feats, samples_of(*LABELS))['loss']
    logits = CLIPHead()(feats) - 3
    expected = F.binary_cross_entropy_with_logits(
        logits, torch.tensor(TARGET), reduction='sum')
    assert logits.shape == (4, 3)
    # MMPretrain sums over classes and divides by the number of images.
    assert loss.item() == pytest.approx(expected.item() / 4, rel=1e-5)


@pytest.mark.parametrize('loss', [
    dict(type='CrossEntropyLoss', use_sigmoid=True),
    dict(type='AsymmetricLoss')], ids=lambda loss: loss['type'])
def test_every_learner_trains(make, learner, images, loss):
    model = make(learner, loss=loss, bias=-3.).train()
    model.loss(images, samples_of(*LABELS))['loss'].backward()
    learned = [p for p in model.backbone.parameters() if p.requires_grad]
    assert any(p.grad is not None and p.grad.any() for p in learned)
    assert model.head.bias.grad.abs() > 0


def test_predictions_are_over_all_classes(make, images):
    model = make(thr=.3).eval()
    with torch.no_grad():
        found = model.predict(images)
        logits = CLIPHead()(model.extract_feat(images))
    for sample, logit in zip(found, logits, strict=True):
        assert sample.pred_score.shape == (5, )
        assert torch.allclose(sample.pred_logit, logit)
        assert torch.allclose(sample.pred_score, logit.sigmoid())
        assert sample.pred_label.tolist() == (
            logit.sigmoid() >= .3).nonzero()[:, 0].tolist()


def test_best_k_classes(make, images):
    model = make(topk=2).eval()
    with torch.no_grad():
        sample = model.predict(images[:1])[0]
    assert sample.pred_label.tolist() == sample.pred_logit.topk(
        2).indices.tolist()


def test_mixed_images_keep_their_scores(make, images):
    model = make().train()
    score = torch.tensor([.7, 0, .3, 0, 0])
    feats = model.extract_feat(images[:1])
    loss = model.head.loss(feats, [DataSample().set_gt_score(score)])['loss']
    expected = F.binary_cross_entropy_with_logits(
        model.head(feats)[0], score[:3], reduction='sum')
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize('labels, culprit', [
    ([0, 3], "class 'owl', which is not a base class"),
    ([0, 5], r'\[0, 5\] are out of range: the vocabulary has 5'),
])
def test_wrong_labels(make, images, labels, culprit):
    with pytest.raises(DeptError, match=culprit):
        make().train().loss(images[:1], samples_of(labels))


def test_an_image_without_labels_is_a_negative(make, images):
    head = MultiLabelCLIPHead()
    feats = make().train().extract_feat(images[:1])
    sample = DataSample().set_gt_label(torch.tensor([], dtype=torch.long))
    expected = F.softplus(head(feats)).sum()
    assert torch.isclose(head.loss(feats, [sample])['loss'], expected)
