"""TCP, against a plain forward of all 77 tokens."""
from types import SimpleNamespace

import pytest
import torch

from dept_mm.models import PromptedCLIP, TCPPrompt
from dept_mm.models.class_texts.frozen import FrozenText
from dept_mm.structures import Vocabulary

TCP = dict(type='TCPPrompt', layer=1)
TEMPLATE, TAIL = 'a photo of a {}, a type of pet.', ', a type of pet.'


def plain_texts(clip, prompt, names, layer):
    """As the paper has it: the whole context, every position, no caching."""
    text = clip.model.text
    hand = clip.model.encode_text(
        clip.tokenizer([TEMPLATE.format(n) for n in names]), normalize=True)
    first, second = prompt.meta_net[0], prompt.meta_net[2]
    inner = hand @ first.weight.T + first.bias
    inner = inner * torch.sigmoid(1.702 * inner)
    aware = (inner @ second.weight.T + second.bias).view(len(names), 4, -1)
    ids = clip.tokenizer([f'X X X X {n}{TAIL}' for n in names])
    x = text.token_embedding(ids)
    x[:, 1:5] = prompt.context
    x = x + text.positional_embedding
    mask = torch.full((77, 77), float('-inf')).triu(1)
    for i, block in enumerate(text.transformer.resblocks):
        if i == layer:
            x = torch.cat([x[:, :1], aware, x[:, 5:]], dim=1)
        x = block(x, attn_mask=mask)
    x = text.ln_final(x)[torch.arange(len(names)), ids.argmax(dim=1)]
    return x @ text.text_projection


@pytest.fixture
def pets():
    return Vocabulary(('red fox', 'cat', 'owl'), ('cat', 'owl'), (TEMPLATE, ))


def test_equals_a_plain_forward(clip, pets, images):
    backbone = PromptedCLIP(clip, pets, TCP)
    own, prompt = backbone.clip, backbone.prompt
    for parameter in prompt.parameters():
        parameter.data.normal_(std=.5)
    for mode, names in ((True, pets.base), (False, pets.names)):
        found = backbone.train(mode)(images).text
        expected = plain_texts(own, prompt, names, 1)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(
            *(torch.autograd.grad(x.square().sum(), prompt.meta_net[0].weight)
              for x in (found, expected)))
    unseen = Vocabulary(('bee', 'long-eared owl'), templates=(TEMPLATE, ))
    backbone.set_vocabulary(unseen)
    torch.testing.assert_close(backbone(images).text,
                               plain_texts(own, prompt, unseen.names, 1))


def test_number_of_parameters_at_vit_b_16():
    clip = SimpleNamespace(
        name='ViT-B-16', learned_dtype=torch.float32,
        text_tower=SimpleNamespace(num_layers=12, width=512),
        spec=SimpleNamespace(embed_dim=512),
        embed_words=lambda words: torch.zeros(len(words.split()), 512))
    assert sum(p.numel() for p in TCPPrompt(clip, None).parameters()) == (
        331_904)


@pytest.mark.parametrize('template, sentence', [
    ('a photo of a {}.', '{}.'),
    ('a photo of a {}, a type of flower.', '{}, a type of flower.'),
    ('a photo of {}, a type of food.', '{}, a type of food.'),
    ('a centered satellite photo of {}.', '{}.'),
    ('a photo of a person doing {}.', 'person doing {}.'),
])
def test_sentence_of_public_code(clip, pets, template, sentence):
    """Where four tokens stand for the first words of a template."""
    prompt = PromptedCLIP(clip, pets, TCP).prompt
    assert prompt.sentence(template) == sentence


def test_frozen_texts_are_computed_when_asked_for(clip, pets, images,
                                                  monkeypatch):
    computed = []
    encode = FrozenText._encode

    def count(self, clip, names, templates):
        computed.append(tuple(names))
        return encode(self, clip, names, templates)

    monkeypatch.setattr(FrozenText, '_encode', count)
    PromptedCLIP(clip, pets, dict(type='CoOpPrompt')).train()(images)
    assert not computed
    backbone = PromptedCLIP(clip, pets, TCP)
    for mode in (True, True, False, True, False):
        backbone.train(mode)(images)
    assert computed == [pets.base, pets.names]
    backbone.set_vocabulary(Vocabulary(pets.base))
    backbone(images)
    assert computed[2:] == [pets.base]


def test_frozen_texts_do_not_depend_on_autocast(clip, pets):
    backbone = PromptedCLIP(clip, pets, TCP)
    with torch.autocast('cpu', torch.bfloat16):
        inside = FrozenText()(backbone.clip, pets, (0, 1))
    outside = FrozenText()(backbone.clip, pets, (0, 1))
    assert torch.equal(inside, outside) and not inside.requires_grad
