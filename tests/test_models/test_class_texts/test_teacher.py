"""What the frozen CLIP says beside the model that is tuned."""
import pytest
import torch

from dept_mm.models import PromptedCLIP

TEMPLATES = ['a photo of a {}.', 'the {}.']


@pytest.fixture
def backbone(clip, learner, vocabulary):
    return PromptedCLIP(clip, vocabulary, learner, teacher=dict(
        templates=TEMPLATES, image=True)).train()


def test_teacher_is_the_plain_clip(backbone, vocabulary, images):
    feats = backbone(images)
    clip = backbone.clip
    texts = [clip.model.encode_text(clip.tokenizer(
        [t.format(n.replace('_', ' ')) for n in vocabulary.base]))
        for t in TEMPLATES]
    # Un-normalised features are averaged, as in PromptSRC's code.
    torch.testing.assert_close(feats.teacher.text, sum(texts) / 2)
    torch.testing.assert_close(feats.teacher.image,
                               clip.model.encode_image(images))
    assert not feats.teacher.text.requires_grad
    assert backbone(images).teacher.text is feats.teacher.text
    assert backbone.eval()(images).teacher is None
