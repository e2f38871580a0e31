"""What the frozen CLIP says beside the model that is tuned."""
import pytest
import torch

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.structures import ImageFeatures, TeacherFeatures, Views

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


def test_it_may_see_another_view(backbone, images):
    """The model sees the first one, the teacher the second."""
    other = images.flip(3) + 1
    found = backbone(Views(images, other))
    plain = backbone(images)
    assert torch.equal(found.teacher.image,
                       backbone.clip.encode_image(other))
    assert torch.equal(found.image, plain.image)
    assert torch.equal(found.text, plain.text)
    assert not torch.equal(found.teacher.image, plain.teacher.image)
    assert torch.equal(backbone.eval()(Views(images, other)).image,
                       backbone(images).image)


def test_stored_features_are_those_of_the_teacher(clip, vocabulary, images):
    """The frozen CLIP gave them."""
    coop = dict(type='CoOpPrompt')
    text, both = (PromptedCLIP(clip, vocabulary, coop, teacher=dict(
        image=image)).train() for image in (False, True))
    feature = text.clip.encode_image(images)
    found = text(ImageFeatures(feature))
    assert found.image is feature and found.teacher.image is None
    assert both(ImageFeatures(feature)).teacher.image is feature
    torch.testing.assert_close(both(images).teacher.image, feature)


def test_sentences_are_drawn(clip, vocabulary, images):
    """One of each class in each batch, with the same number in all."""
    sentences = {name: [f'{name} {word}' for word in ('here', 'there')]
                 for name in vocabulary.names}
    sentences['cat'].append('one more')
    backbone = PromptedCLIP(clip, vocabulary, dict(type='CoOpPrompt'),
                            teacher=dict(sentences=sentences, draw=True))
    encode, tokenize = backbone.clip.model.encode_text, backbone.clip.tokenizer
    each = [encode(tokenize(sentences[n])) for n in vocabulary.base]
    seen = set()
    for _ in range(30):
        found = backbone(images).teacher.text
        rows = [int((own - row).abs().sum(1).argmin())
                for own, row in zip(each, found, strict=True)]
        torch.testing.assert_close(found, torch.stack(
            [own[i] for own, i in zip(each, rows, strict=True)]))
        assert rows[0] == rows[2]
        seen.add(tuple(rows))
    assert len(seen) == 6
    with pytest.raises(DeptError, match="give 'sentences'"):
        PromptedCLIP(clip, vocabulary, dict(type='CoOpPrompt'),
                     teacher=dict(draw=True))


@pytest.mark.parametrize('options', [dict(), dict(blend=.5, rank=2)])
def test_lower_blocks_run_once(clip, vocabulary, images, options):
    """They are those of the CLIP for the model and its teacher; all that both
    compute stays the same."""
    backbone = PromptedCLIP(clip, vocabulary, dict(
        type='MMRLPrompt', first_block=2, token_width=8, **options),
        teacher=dict(image=True)).train()
    tower = backbone.clip.model.visual.transformer.resblocks
    runs = []
    for block in tower:
        block.ln_1.register_forward_pre_hook(
            lambda module, _: runs.append(module))
    found = []
    # An equal view is another tensor, which nothing is shared with.
    for given in (images, Views(images, images.clone())):
        feats = backbone(given)
        feats.extra['token_image'].sum().backward()
        found.append([feats.image, feats.teacher.image, *(
            p.grad.clone() for n, p in backbone.named_parameters()
            if 'to_text' not in n)])
        backbone.zero_grad()
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)
    assert [runs.count(block.ln_1) for block in tower] == [3, 4]
    for block in tower:
        block.ln_1._forward_pre_hooks.clear()


def test_a_teacher_with_a_clip_of_its_own_gets_images(clip, vocabulary,
                                                      images):
    """What this CLIP's lower blocks make of them means nothing to another."""
    seen = []
    backbone = PromptedCLIP(clip, vocabulary, dict(
        type='MMRLPrompt', first_block=2, token_width=8)).train()
    text = torch.zeros(len(vocabulary.base), 16)

    class Other:
        image = True

        def __call__(self, clip, vocabulary, given):
            seen.append(given)
            return TeacherFeatures(text, None)

    backbone.teacher = Other()
    backbone(images)
    assert seen[0] is images
