"""Class sentences as token ids, for tokenizers of both kinds."""
from types import SimpleNamespace

import open_clip
import pytest
import torch
from open_clip.transformer import TextTransformer

from dept_mm.errors import DeptError
from dept_mm.models.clip.text_tower import TextTower
from dept_mm.models.clip.tokens import Words, tokenize_classes
from dept_mm.structures import Prompts

WORDS = ['a', 'red', 'fox', 'owl', 'photo', 'of']


class Wrapped:
    """open_clip's wrapper of a Hugging Face tokenizer, as SigLIP has it: no
    start token, the end token pads, no punctuation."""
    context_length = 12

    def __init__(self, start=()):
        self.start = list(start)

    def clean_fn(self, text):
        return text.replace('.', '')

    def tokenizer(self, text, add_special_tokens):
        ids = [10 + WORDS.index(word) for word in text.split()]
        if add_special_tokens:
            ids = [*self.start, *ids, 1]
        return dict(input_ids=ids)

    tokenizer.pad_token_id = 1  # of the bound method, too


def tower(causal, pool):
    torch.manual_seed(0)
    return TextTower(TextTransformer(
        context_length=12, vocab_size=40, width=16, heads=2, layers=2,
        no_causal_mask=not causal, pool_type=pool, output_dim=8).eval())


def test_slots_of_clip():
    words = Words(open_clip.SimpleTokenizer())
    found = tokenize_classes(words, SimpleNamespace(
        causal=True, context_length=77), ['cat', 'red_fox'], 'a {}.', 0)
    plain = open_clip.SimpleTokenizer()(['a cat.', 'a red fox.'])
    assert torch.equal(found.ids, plain[:, :6])
    assert found.end.tolist() == plain.argmax(1).tolist() == [4, 5]
    assert found.name_end.tolist() == [3, 4] and found.start == 1


@pytest.mark.parametrize('start', [[], [5], [5, 6]])
def test_slots_of_a_wrapped_tokenizer(start):
    words = Words(Wrapped(start))
    found = tokenize_classes(words, tower(False, 'last'), ['red fox', 'owl'],
                             'a {}.', 2)
    rows = [[*start, 10, 11, 12, 1], [*start, 10, 13, 1]]
    rows = [row + [1] * (10 - len(row)) for row in rows]
    assert found.ids.tolist() == rows
    assert found.start == len(start)
    assert found.name_end.tolist() == [len(start) + 3, len(start) + 2]


@pytest.mark.parametrize('position, sentence', [
    ('end', 'a photo red fox.'), ('middle', 'a red fox photo.'),
    ('front', 'red fox a photo.')])
@pytest.mark.parametrize('start', [[], [5, 6]])
def test_context_stands_where_the_words_would(position, sentence, start):
    """Also without a start token, and with two."""
    words, text = Words(Wrapped(start)), tower(False, 'last')
    tokens = tokenize_classes(words, text, ['red fox', 'owl'], '{}.', 2)
    context = text.embed(torch.tensor(words.encode('a photo')))
    found = text(tokens, Prompts(context), position)
    ids = [*start, *words.encode(sentence), 1]
    ids = torch.tensor([ids + [1] * (12 - len(ids))])
    torch.testing.assert_close(found[:1], text.text(ids))


def test_an_unknown_tokenizer_is_named():
    with pytest.raises(DeptError, match='SimpleNamespace'):
        Words(SimpleNamespace(context_length=77))


@pytest.mark.parametrize('other', ['red fox', 'Red_Fox', 'red  fox'])
def test_two_classes_that_are_one_sentence(other):
    """Both are named; one name of two identities, as in ImageNet, is not."""
    words = Words(open_clip.SimpleTokenizer())
    room = SimpleNamespace(causal=True, context_length=77)
    with pytest.raises(DeptError, match=f"'red_fox' and '{other}' are one"):
        tokenize_classes(words, room, ['red_fox', 'cat', other], 'a {}.', 0)
    tokenize_classes(words, room, ['crane', 'cat', 'crane'], 'a {}.', 0)
