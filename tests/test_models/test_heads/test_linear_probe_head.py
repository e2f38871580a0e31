"""The linear probe."""
import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.structures import DataSample
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import LinearProbeHead
from dept_mm.structures import CLIPFeatures

INF = float('inf')


@pytest.fixture
def head(clip, vocabulary):
    return LinearProbeHead(clip, vocabulary)


def features(ids=None, labels=None):
    """A backbone has no vocabulary here, unless there are labels."""
    return CLIPFeatures(None, labels and torch.tensor(labels), ids,
                        torch.tensor(100.), None, None, None,
                        torch.linspace(-1, 1, 64).view(4, 16))


def test_size_comes_from_clip_and_vocabulary(vocabulary):
    head = LinearProbeHead(dict(name='RN50-quickgelu'), vocabulary)
    assert head.fc.weight.shape == (3, 1024)


def test_logits_cover_all_labels(head):
    feats = features()
    rows = feats.image @ head.fc.weight.T + head.fc.bias
    found = head.eval()(feats)
    torch.testing.assert_close(found[:, :3], rows)
    assert (found[:, 3:] == -INF).all()
    score = head.predict(feats)[0].pred_score
    torch.testing.assert_close(score, F.pad(rows[0].softmax(0), (0, 2)))


@pytest.mark.parametrize('own', [True, False])
def test_loss_is_over_the_rows(head, samples, vocabulary, own):
    """With the labels of the head, or of a backbone that orders otherwise."""
    feats, y = features(), [2, 0, 1, 2]
    if not own:
        feats = features(vocabulary.ids[::-1], [4, 3, 2])
        y = [0, 2, 1, 0]  # label 4 is the first class, of row 0
        samples = [DataSample().set_gt_label(i) for i in (4, 2, 3, 4)]
    rows = feats.image @ head.fc.weight.T + head.fc.bias
    expected = F.cross_entropy(rows, torch.tensor(y))
    torch.testing.assert_close(head.loss(feats, samples)['loss'], expected)


def test_rows_follow_identity(head):
    found = head.eval()(features(('emu', 'cat', 'owl', 'red fox'),
                                 [0, 1, 2, 3]))
    own = head(features())
    assert torch.equal(found[:, [1, 3]], own[:, [1, 0]])
    assert (found[:, [0, 2]] == -INF).all()


@pytest.mark.parametrize('label, culprit', [
    (4, "class 'bee'.*not a base class"), (7, 'Label 7 is out of range')])
def test_training_on_other_classes_is_refused(head, label, culprit):
    with pytest.raises(DeptError, match=culprit):
        head.loss(features(), [DataSample().set_gt_label(label)] * 4)


def test_checkpoints(head, clip, vocabulary):
    flipped = LinearProbeHead(clip, vocabulary.base[::-1])
    load_state_dict(flipped, head.state_dict(), strict=True)
    assert torch.equal(flipped.fc.weight, head.fc.weight.flip(0))
    assert torch.equal(flipped.fc.bias, head.fc.bias.flip(0))
    with pytest.raises(DeptError, match='LinearProbeHead was trained on oth'):
        load_state_dict(LinearProbeHead(clip, ['cat', 'cow', 'ox']),
                        head.state_dict())


def test_beside_half_precision(head):
    feats = features()
    feats = feats._replace(image=feats.image.half())
    assert head.eval()(feats).dtype == torch.float32
