"""The frozen CLIP and its two prompt-aware forwards."""
import copy

import open_clip
import pytest
import torch

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import build_clip
from dept_mm.structures import Prompts

KINDS = ['vit', 'resnet', 'timm', 'not_causal', 'coca']
PROMPTED = KINDS[:-1]


@pytest.fixture(params=KINDS)
def built(request, clip_configs):
    return build_clip(clip_configs[request.param])


@pytest.fixture(params=PROMPTED)
def prompted(request, clip_configs):
    return build_clip(clip_configs[request.param])


def plain_ids(clip, sentences):
    """open_clip's own tokens, padded to the full context."""
    return clip.tokenizer(sentences, clip.text_tower.context_length)


def test_without_prompts_it_is_open_clip(built, vocabulary, images):
    sentences = [f'a photo of a {n.replace("_", " ")}.'
                 for n in vocabulary.names]
    tokens = built.tokenize(vocabulary.names, 'a photo of a {}.')
    torch.testing.assert_close(
        built.encode_text(tokens),
        built.model.encode_text(plain_ids(built, sentences),
                                normalize=False))
    torch.testing.assert_close(
        built.encode_image(images),
        built.model.encode_image(images, normalize=False))


@pytest.mark.parametrize('position', ['end', 'middle', 'front'])
def test_words_as_context_are_the_sentence(prompted, position):
    """Learned tokens that equal word embeddings give the sentence that has
    these words at that place."""
    sentence = dict(end='a photo of a red fox.',
                    middle='a photo red fox of a.',
                    front='red fox a photo of a.')[position]
    tokens = prompted.tokenize(['red fox', 'owl'], '{}.', num_context=4)
    context = prompted.embed_words('a photo of a')
    found = prompted.encode_text(tokens, Prompts(context), position)
    expected = prompted.model.encode_text(plain_ids(prompted, [sentence]))
    torch.testing.assert_close(found[:1], expected)


def test_only_the_place_of_the_name_is_filled(clip):
    """Other braces are words, in templates and in names."""
    found = build_clip(clip).tokenize(['a {b}'], '{x} {}: {}')
    expected = open_clip.tokenize(['{x} a {b}: a {b}'])[0]
    assert found.ids[0].tolist() == expected[expected > 0].tolist()


def test_image_axis_gives_one_text_per_image(clip):
    built = build_clip(clip)
    tokens = built.tokenize(['red fox', 'owl'], '{}.', 4)
    own = torch.randn(3, 4, 32)
    for make in (lambda t: Prompts(context=t),
                 lambda t: Prompts(own[0], deep={1: t}),
                 lambda t: Prompts(own[0], inserted={1: t})):
        found = built.encode_text(tokens, make(own[:, None]))
        assert found.shape == (3, 2, 16)
        for row, mine in zip(found, own, strict=True):
            torch.testing.assert_close(
                row, built.encode_text(tokens, make(mine)))


def hidden(built, tokens, prompts):
    """Input of the second text block, by the plain way."""
    seen = []
    hook = built.text_tower.text.transformer.resblocks[
        1].register_forward_pre_hook(
            lambda _, args: seen.append(args[0].clone()))
    built.text_tower.plain(tokens, prompts)
    hook.remove()
    return seen[0]


def test_deep_text_prompts_replace_the_context(clip):
    """Replacing by what stands there changes nothing; by zeros it does."""
    built = build_clip(clip)
    tokens = built.tokenize(['owl'], '{}.', 2)
    context = torch.randn(2, 32)
    plain = built.encode_text(tokens, Prompts(context))
    seen = hidden(built, tokens, Prompts(context))[0, 1:3]
    same = built.encode_text(tokens, Prompts(context, deep={1: seen}))
    torch.testing.assert_close(same, plain)
    other = built.encode_text(
        tokens, Prompts(context, deep={1: torch.zeros(2, 32)}))
    assert not torch.allclose(other, plain)


def test_inserted_text_prompts_are_attended_to(clip):
    """A token inserted between blocks is as one that was there: inserting
    copies of the context's hidden state equals having it from the start."""
    built = build_clip(clip)
    text = built.text_tower.text
    tokens = built.tokenize(['owl', 'red fox'], '{}.')
    seen = hidden(built, tokens, Prompts())
    late = torch.randn(3, 32)
    x = torch.cat([seen[:, :1], late.expand(2, -1, -1), seen[:, 1:]], 1)
    mask = torch.full((x.shape[1], ) * 2, float('-inf')).triu(1)
    x = text.ln_final(text.transformer.resblocks[1](x, attn_mask=mask))
    expected = x[torch.arange(2), tokens.end + 3] @ text.text_projection
    for given in (late, lambda x, last: late):
        found = built.encode_text(tokens, Prompts(inserted={1: given}))
        torch.testing.assert_close(found, expected)


def test_deep_and_inserted_text_prompts_together(clip):
    built = build_clip(clip)
    text = built.text_tower.text
    tokens = built.tokenize(['owl'], '{}.', 2)
    context, deep, late = (torch.randn(n, 32) for n in (2, 2, 3))
    seen = hidden(built, tokens, Prompts(context))
    x = torch.cat([seen[:, :1], late[None], deep[None], seen[:, 3:]], 1)
    mask = torch.full((x.shape[1], ) * 2, float('-inf')).triu(1)
    x = text.ln_final(text.transformer.resblocks[1](x, attn_mask=mask))
    found = built.encode_text(
        tokens, Prompts(context, deep={1: deep}, inserted={1: late}))
    torch.testing.assert_close(found, x[:, -1] @ text.text_projection)


def test_offset_moves_the_own_tokens(clip):
    built = build_clip(clip)
    tokens = built.tokenize(['owl'], '{}.', 2)
    offset, context = torch.randn(tokens.ids.shape[1], 32), torch.randn(2, 32)
    found = built.encode_text(tokens, Prompts(context, offset))
    table = built.text_tower.text.token_embedding
    own = table(tokens.ids[0]) + offset
    x = torch.cat([own[:1], context, own[1:]])
    text = built.text_tower.text
    x = x[None] + text.positional_embedding[:x.shape[0]]
    x = text.ln_final(text.transformer(
        x, attn_mask=text.attn_mask[:x.shape[1], :x.shape[1]]))
    torch.testing.assert_close(found, x[:, -1] @ text.text_projection)


def test_image_prompts_against_a_plain_forward(clip, images):
    built = build_clip(clip)
    v = built.model.visual
    context, deep, late = (torch.randn(2, 32) for _ in range(3))
    offset = torch.randn(5, 32)
    found = built.encode_image(
        images, Prompts(context, offset, {1: deep}, {1: late}))
    x = v.conv1(images).flatten(2).transpose(1, 2)
    x = torch.cat([v.class_embedding.expand(4, 1, -1), x], 1)
    x = x + v.positional_embedding + offset
    x = v.ln_pre(torch.cat([x, context.expand(4, -1, -1)], 1))
    x = v.transformer.resblocks[0](x)
    x = torch.cat([x[:, :5], deep.expand(4, -1, -1),
                   late.expand(4, -1, -1)], 1)
    x = v.ln_post(v.transformer.resblocks[1](x))
    torch.testing.assert_close(found, x[:, 0] @ v.proj)


@pytest.mark.parametrize('kind', ['resnet', 'timm'])
def test_a_tower_without_tokens_refuses_visual_prompts(clip_configs, kind,
                                                       images):
    built = build_clip(clip_configs[kind])
    with pytest.raises(DeptError, match='no tokens'):
        built.encode_image(images, Prompts(context=torch.zeros(2, 32)))


def test_a_foreign_text_tower_refuses_text_prompts(clip_configs, vocabulary,
                                                   learner):
    with pytest.raises(DeptError, match="takes no prompts: it is not CLIP's"):
        PromptedCLIP(clip_configs['coca'], vocabulary, learner)


@pytest.mark.parametrize('kind', ['vit', 'resnet'])
def test_wrong_image_size_is_named(clip_configs, kind):
    built = build_clip(clip_configs[kind])
    with pytest.raises(DeptError, match='32 x 32 pixels, not 48 x 40'):
        built.encode_image(torch.zeros(1, 3, 48, 40))


@pytest.mark.parametrize('names, template, extra', [
    (['cat', 'dog ' * 80], '{}.', 0),
    (['cat', 'dog ' * 60], '{}.', 16),
    (['dog ' * 3], 'x ' * 80 + '{}', 0),
])
def test_too_long_sentences_name_the_class(clip, names, template, extra):
    with pytest.raises(DeptError, match="Class 'dog .* 77"):
        build_clip(clip).tokenize(names, template, extra)


def test_frozen_whatever_happens(built):
    assert not any(p.requires_grad for p in built.parameters())
    built.train()
    assert not any(m.training for m in built.modules())
    assert copy.deepcopy(built) is built
