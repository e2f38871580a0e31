"""What learners read in the towers, against forwards written out here."""
import pytest
import torch
from torch import nn

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.class_texts import classifier
from dept_mm.models.clip.image_tower import ImageTower
from dept_mm.models.clip.text_tower import TextTower
from dept_mm.models.prompts import BasePrompt
from dept_mm.structures import ImageFeatures, Prompts, Vocabulary

EXACT = dict(rtol=1e-12, atol=1e-12)


class Reader(BasePrompt):
    """Representation tokens, whose mean is added to the image feature, and
    hidden states of the end-of-text token, which are added to the text."""

    def __init__(self, clip, vocabulary, context='shared'):
        super().__init__()
        self.kind = context
        self.num_context = 0 if context == 'late' else 2
        self.per_image = context == 'image'
        for name, count in dict(context=2, late=3, visual=2, tokens=3,
                                replaced=2).items():
            setattr(self, name, nn.Parameter(torch.randn(count, 32) / 5))
        self.of_image = nn.Linear(32, 16)
        self.of_text = nn.Linear(32, 16)

    def contexts(self, end, image):
        """One context for each of ``end``, or of images."""
        if self.kind == 'shared':
            return self.context
        scale = end if self.kind == 'class' else image[:, :1, None]
        return self.context * scale.view(-1, 1, 1)

    def for_text(self, given):
        if self.kind == 'late':
            return Prompts(inserted={2: self.late}, read=(-1, 1))
        context = self.contexts(given.tokens.end, given.image)
        if self.kind == 'image':
            context = context[:, None]
        return Prompts(context, inserted={2: self.late}, read=(-1, 1))

    def for_image(self):
        return Prompts(self.visual, inserted={1: self.tokens},
                       deep={1: self.replaced}, read={2})

    def change_features(self, feats, states, clip):
        (states_of_image, ), (early, late) = states
        tokens = states_of_image[:, 3:]
        return feats._replace(
            text=feats.text + early[..., :16] + self.of_text(late),
            image=feats.image + self.of_image(tokens.mean(1)),
            extra=dict(projected=clip.image_tower.project(states_of_image)))


def plain_image(learner, clip, images):
    """Features and hidden states of all tokens; patches are slots 1 to 4."""
    v = clip.model.visual
    x = v.conv1(images).flatten(2).mT
    x = torch.cat([v.class_embedding.expand(len(x), 1, -1), x], 1)
    x = x + v.positional_embedding
    x = v.ln_pre(torch.cat([x, learner.visual.expand(len(x), -1, -1)], 1))
    x = v.transformer.resblocks[0](x)[:, :5]
    x = v.transformer.resblocks[1](torch.cat([
        x, *(t.expand(len(x), -1, -1)
             for t in (learner.replaced, learner.tokens))], 1))
    return v.ln_post(x[:, 0]) @ v.proj + learner.of_image(
        x[:, 7:].mean(1)), x


def plain_text(learner, clip, name, image):
    """Features ``(D, )`` of one class, maybe for one image."""
    text = clip.model.text
    ids = clip.tokenizer([name.replace('_', ' ') + '.'])[0]
    end = int(ids.argmax())
    x = text.token_embedding(ids[:end + 1])
    if learner.num_context:
        context = learner.contexts(torch.tensor([end]), image[None])
        x = torch.cat([x[:1], context.view(2, 32), x[1:]])
    x = x + text.positional_embedding[:len(x)]
    for i, block in enumerate(text.transformer.resblocks):
        if i == 1:
            early = x[-1]
        if i == 2:
            x = torch.cat([x[:1], learner.late, x[1:]])
        mask = torch.full((len(x), len(x)), float('-inf')).triu(1)
        x = block(x[None], attn_mask=mask.to(x))[0]
    return (text.ln_final(x[-1]) @ text.text_projection + early[:16]
            + learner.of_text(x[-1]))


def expected(backbone, images):
    learner, clip = backbone.prompt, backbone.clip
    image, states = plain_image(learner, clip, images)
    names = (backbone.vocabulary.base if backbone.training
             else backbone.vocabulary.names)
    raw = image - learner.of_image(states[:, 7:].mean(1))
    text = torch.stack([torch.stack([
        plain_text(learner, clip, name, row) for name in names])
        for row in raw])
    return image, text if learner.per_image else text[0]


def gradients(feats, learner):
    loss = sum((t * torch.linspace(-1, 1, t.numel()).to(t).view(t.shape)
                ).sum() for t in feats)
    return torch.autograd.grad(loss, list(learner.parameters()),
                               allow_unused=True)


@pytest.mark.parametrize('context', ['shared', 'class', 'image', 'late'])
@pytest.mark.parametrize('way', ['engine', 'plain', 'chunks', 'processes'])
def test_values_and_gradients(deep, vocabulary, images, context, way,
                              monkeypatch):
    if way == 'plain':
        monkeypatch.setattr(TextTower, '__call__', TextTower.plain)
        monkeypatch.setattr(ImageTower, '__call__', ImageTower.plain)
    if way == 'processes':
        monkeypatch.setattr(
            classifier, 'over_processes', lambda encode, rows: torch.cat(
                [encode(rows[:1]), encode(rows[1:])], dim=-2))
    backbone = PromptedCLIP(
        deep, vocabulary, dict(type=Reader, context=context),
        class_chunk=2 if way == 'chunks' else None).double()
    backbone.share_classes = way == 'processes'
    images = images.double()
    feats = backbone(images)
    image, text = expected(backbone, images)
    torch.testing.assert_close(feats.image, image, **EXACT)
    torch.testing.assert_close(feats.text, text, **EXACT)
    for ours, theirs in zip(*(gradients(both, backbone.prompt) for both in (
            (feats.image, feats.text), (image, text))), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    # The class token and the learned ones, behind it.
    states = plain_image(backbone.prompt, deep, images)[1]
    visual = deep.model.visual
    torch.testing.assert_close(
        feats.extra['projected'], visual.ln_post(states[:, [0, *range(
            5, 10)]]) @ visual.proj, **EXACT)
    with torch.no_grad():
        backbone.eval()
        for _ in range(2):  # the second time, what was kept
            found = backbone(images)
            torch.testing.assert_close(
                (found.image, found.text), expected(backbone, images),
                **EXACT)


def test_nothing_is_read_without_asking(deep, images):
    """And reading changes no feature."""
    tokens = deep.tokenize(['cat', 'a red fox'], '{}.', 2)
    given = torch.randn(2, 32, dtype=torch.double)
    for read in ((), (0, 1, 4)):
        states = []
        text = deep.encode_text(tokens, Prompts(given, read=read), 'middle',
                                states)
        torch.testing.assert_close(text, deep.text_tower.plain(
            tokens, Prompts(given), 'middle'), **EXACT)
        assert len(states) == len(read)
    torch.testing.assert_close(deep.text_tower.project(states[-1]), text,
                               **EXACT)


def test_refusals(clip_configs, clip, images):
    class Image(BasePrompt):
        def __init__(self, clip, vocabulary, read):
            super().__init__()
            self.read = read

        def for_image(self):
            return Prompts(read=self.read)

    names = Vocabulary(('cat', ))
    with pytest.raises(DeptError, match='no tokens.*none to read'):
        PromptedCLIP(clip_configs['resnet'], names,
                     dict(type=Image, read=[-1]))(images)
    with pytest.raises(DeptError, match='reads the image tower: give it'):
        PromptedCLIP(clip, names, dict(type=Image, read=[-1]))(
            ImageFeatures(torch.zeros(2, 16)))
    with pytest.raises(DeptError, match='after 3 blocks .* has 2'):
        PromptedCLIP(clip, names, dict(type=Image, read=[3]))(images)
