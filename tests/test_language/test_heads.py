"""How models are asked, against the library's own scores."""

import pytest
import torch
from mmpretrain.structures import DataSample
from torch.nn import functional as F

pytest.importorskip('transformers')
from language_models import VOCABULARY, make, tokenizer

from dept_mm.errors import DeptError
from dept_mm.language import (
    FrozenLanguageModel,
    PromptedLanguageModel,
)

TEXTS = dict(sentence=['the film was boring', 'a superb cast'])
LATE = dict(type='LatePrompt', layer=1, num_tokens=2, generator='mppg',
            bottleneck=8)
SOFT = dict(type='SoftPrompt', num_tokens=2)


def samples(*labels):
    return [DataSample().set_gt_label(y) for y in labels]


def build(family, head, *prompts, absent=(), max_length=20, task='sst2'):
    lm = FrozenLanguageModel(make(family), tokenizer(family), family, absent)
    torch.manual_seed(1)
    return PromptedLanguageModel(lm, dict(type=head, task=task), prompts,
                                 max_length=max_length).eval()


def ids(*words):
    return torch.tensor([[VOCABULARY.index(w) for w in words]])


@pytest.mark.parametrize('family', ['roberta', 'bert'])
def test_masked_lm(family):
    model = build(family, 'MaskedLMHead')
    given = ids('<s>', *'a superb cast . It was'.split()[:4], '<unk>', 'was',
                '<mask>', '.', '</s>')
    place = torch.arange(given.shape[1])[None] + 2 * (family == 'roberta')
    with torch.no_grad():
        scores = model.lm.model(given, position_ids=place).logits[0, 7]
    words = [VOCABULARY.index(w) for w in ('terrible', 'great')]
    loss, = model(TEXTS, samples(0, 1), 'loss').values()
    alone, = model(dict(sentence=TEXTS['sentence'][1:]), samples(1),
                   'loss').values()
    torch.testing.assert_close(alone, F.cross_entropy(
        scores, torch.tensor(words[1])))
    assert loss != alone
    found = model(TEXTS, samples(0, 1), 'predict')[1]
    torch.testing.assert_close(found.pred_score, scores[words].softmax(0))
    assert found.pred_label.item() == scores[words].argmax()


@pytest.mark.parametrize('prompt', [SOFT, LATE])
def test_the_mask_is_found_behind_prompts(prompt):
    """T13: where prompts stand in front, scores are those behind them."""
    model = build('roberta', 'MaskedLMHead', prompt)
    encode = model.encode
    scores = [model.head(
        lambda tokens, s=shift: encode(tokens)._replace(shift=2 + s),
        [dict(sentence='a superb cast')]) for shift in (0, 1)]
    torch.testing.assert_close(
        scores[0], model(dict(sentence=['a superb cast'])))
    assert (scores[0] - scores[1]).abs().max() > 1e-3


def test_long_texts_leave_the_template_whole():
    model = build('roberta', 'MaskedLMHead', max_length=12)
    row = model.head.tokenize_one(dict(sentence=' '.join(['good'] * 50)),
                                  mask='<mask>')
    assert len(row) == 12
    assert row[-3:-1] == ids('<mask>', '.')[0].tolist()
    with pytest.raises(DeptError, match='template .* alone'):
        build('roberta', 'MaskedLMHead', max_length=4)(TEXTS)


def test_causal_lm():
    """Each sentence's own surprise, by the library's forward."""
    model = build('gpt2', 'CausalLMHead')
    expected = []
    for word in ('terrible', 'great'):
        row = ids(*'a superb cast'.split(), '<unk>', 'was', word, '.')
        with torch.no_grad():
            scores = model.lm.model(row).logits[0].log_softmax(-1)
        expected.append(-(scores[4, row[0, 5]] + scores[5, row[0, 6]]) / 2)
    found = model(TEXTS, samples(0, 1), 'predict')[1]
    torch.testing.assert_close(found.pred_score,
                               (-torch.stack(expected)).softmax(0))
    loss, = model(dict(sentence=TEXTS['sentence'][1:]), samples(1),
                  'loss').values()
    torch.testing.assert_close(loss, expected[1])


@pytest.mark.parametrize('generator', ['npg', 'mppg'])
def test_causal_prompts_do_not_know_the_answer(generator):
    model = build('gpt2', 'CausalLMHead', dict(LATE, generator=generator))
    made = []
    late = model.late_prompts[0]
    generate = late.generate
    late.generate = lambda *a: made.append(generate(*a)) or made[-1]
    model(TEXTS, samples(0, 1), 'predict')
    terrible, great = made[0].view(2, 2, 2, -1).unbind(1)
    torch.testing.assert_close(terrible, great, rtol=0, atol=1e-6)


def test_seq2seq():
    model = build('t5', 'Seq2SeqHead', SOFT)
    loss, = model(TEXTS, samples(0, 1), 'loss').values()
    encoded = model.encode(model.head.tokenize(
        [dict(sentence=text) for text in TEXTS['sentence']], sep=''))
    labels = torch.cat([ids('0', '</s>'), ids('1', '</s>')])
    from transformers.modeling_outputs import BaseModelOutput
    expected = model.lm.model(
        encoder_outputs=BaseModelOutput(last_hidden_state=encoded.hidden),
        attention_mask=encoded.mask.long(), labels=labels).loss
    torch.testing.assert_close(loss, expected)
    assert {int(s.pred_label) for s in model(
        TEXTS, samples(0, 1), 'predict')} <= {-1, 0, 1}


@pytest.mark.parametrize('text, label', [('1', 1), (' 0 ', 0), ('2', -1),
                                         ('one', -1), ('', -1)])
def test_an_answer_that_is_no_class(text, label):
    assert build('t5', 'Seq2SeqHead').head._read_class(text) == label


def test_values_are_rounded():
    """STS-B, in steps of 0.2."""
    head = build('t5', 'Seq2SeqHead', task='stsb').head
    sample = DataSample()
    for value, text in ((3.65, '3.6'), (5., '5.0'), (0.29, '0.2')):
        sample.set_field(value, 'gt_value')
        assert head.make_answer(sample) == text
    assert head._read_value('2.4') == 2.4 and head._read_value('good') == 0


@pytest.mark.parametrize('family, pool, at', [
    ('roberta', None, 0), ('gpt2', None, -1), ('t5', 'mean', None)])
def test_linear(family, pool, at):
    model = build(family, 'LinearTextHead', SOFT)
    model.head.pool = pool or model.head.pool
    tokens = model.head.tokenize([dict(sentence='a superb cast')], sep='')
    own = model.encode(tokens).hidden[0, 2:]
    expected = own.mean(0) if at is None else own[at]
    torch.testing.assert_close(model(TEXTS)[1], model.head.linear(expected),
                               rtol=0, atol=1e-5)


def test_what_does_not_fit():
    with pytest.raises(DeptError, match='no decoder'):
        build('roberta', 'Seq2SeqHead')
    with pytest.raises(DeptError, match='no mask token'):
        build('gpt2', 'MaskedLMHead')
    with pytest.raises(DeptError, match='not causal'):
        build('roberta', 'CausalLMHead')
    with pytest.raises(DeptError, match='take a word of one token'):
        build('roberta', 'MaskedLMHead', task=dict(
            base='sst2', words=('awful', 'great')))
    with pytest.raises(DeptError, match='no head for words'):
        build('bert', 'MaskedLMHead', absent=['cls.predictions.bias'])
    with pytest.raises(DeptError, match='template with {mask}'):
        build('roberta', 'MaskedLMHead', task='stsb')


def test_text_answers():
    """They are learned as texts; what the decoder writes is kept."""
    model = build('t5', 'Seq2SeqHead', SOFT, task='newsqa')
    asked = dict(question=['the film'], context=['it was boring'])
    sample = DataSample()
    sample.set_field(['a superb cast', 'cast'], 'gt_texts')
    loss, = model(asked, [sample], 'loss').values()
    tokens = model.head.tokenize([dict(question='the film',
                                       context='it was boring')], sep='')
    scores = model.head.score_answer(
        model.encode(tokens), ids('a', 'superb', 'cast', '</s>'))
    torch.testing.assert_close(loss, F.cross_entropy(
        scores[0], ids('a', 'superb', 'cast', '</s>')[0]))
    written, = model(asked, [sample], 'predict')
    assert written.pred_text == model(asked)[0].strip()
    for family, head in (('roberta', 'MaskedLMHead'), ('gpt2', 'CausalLMHead'),
                         ('t5', 'LinearTextHead')):
        with pytest.raises(DeptError, match='answers of the task are texts'):
            build(family, head, task='newsqa')


def test_texts_that_are_not_shown_are_not_cut():
    model = build('roberta', 'MaskedLMHead', max_length=12)
    row = model.head.tokenize_one(
        dict(sentence='the film was boring', other='good ' * 50), mask='great')
    assert len(row) == 11
