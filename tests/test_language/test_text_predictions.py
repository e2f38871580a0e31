"""A tuned language model answers, whatever its texts come in."""
import gzip
import json

import pytest
import torch

pytest.importorskip('transformers')
from language_models import build, perturb, stock

from dept_mm.errors import DeptError
from dept_mm.language import Tokens
from dept_mm.language.use import TunedTextModel, read_texts

TEXTS = ['the film was great', 'boring', 'a terrible plot and a bad cast .']
PAIR = dict(premise='the film was great', hypothesis='it was good')


def tune(family, head, task, **options):
    return TunedTextModel(perturb(build(
        family, head=dict(type=head, task=task, **options))))


@pytest.fixture(scope='module')
def reviews():
    return tune('roberta', 'LinearTextHead', 'mr', pool='mean')


@pytest.fixture(scope='module')
def pairs():
    return tune('roberta', 'LinearTextHead', 'mnli')


def test_it_is_what_transformers_computes(reviews):
    """Tokens, hidden states and their mean by the library alone."""
    head, lm = reviews.module.head, reviews.module.lm
    given = lm.tokenizer(TEXTS, return_tensors='pt', padding=True)
    mask = given['attention_mask'].bool()
    with torch.no_grad():
        hidden = stock(lm.model, Tokens(given['input_ids'], mask))
        mean = torch.stack([x[m].mean(0) for x, m in zip(
            hidden, mask, strict=True)])
        expected = head.linear(mean).softmax(1)
    for one, text, row in zip(reviews.predict(TEXTS), TEXTS, expected,
                              strict=True):
        assert one.texts == dict(sentence=text)
        assert one.classes[0] == one.answer == ('negative', 'positive')[
            row.argmax()]
        assert one.probabilities == pytest.approx(
            sorted(row.tolist(), reverse=True), abs=1e-6)


def test_order_and_batch_size_change_nothing(reviews):
    expected = reviews.predict(TEXTS)
    found = reviews.predict(TEXTS[::-1], batch_size=1)[::-1]
    for one, other in zip(found, expected, strict=True):
        assert one.classes == other.classes and one.texts == other.texts
        assert one.probabilities == pytest.approx(other.probabilities,
                                                  abs=1e-6)
    best, = reviews.predict(TEXTS[0], k=1)
    assert len(best.classes) == len(best.probabilities) == 1


def test_names(pairs, reviews):
    assert pairs.names == ('premise', 'hypothesis')
    one, = pairs.predict(PAIR)
    other, = pairs.predict([dict(reversed(PAIR.items()))])
    assert one == other and len(one.classes) == 3
    swapped = dict(premise=PAIR['hypothesis'], hypothesis=PAIR['premise'])
    assert pairs.predict(swapped)[0].probabilities != one.probabilities
    assert reviews.predict(dict(sentence=' boring ')) == reviews.predict(
        'boring')


@pytest.mark.parametrize('given, words', [
    ('a text', "single text.*give a dict of \\['premise', 'hypothesis'\\]"),
    (dict(premise='a'), "\\['hypothesis'\\] are missing; the names of the "
     "task are \\['premise', 'hypothesis'\\]"),
    ([PAIR, dict(PAIR, text='a')], "Text 2: \\['text'\\] are unknown"),
    (dict(PAIR, premise=3), "\\['premise'\\] are no texts"),
    (dict(premise=' ', hypothesis=''), 'there is nothing in it'),
    ([3], 'of type int'), ([], 'the list is empty')])
def test_mistakes(pairs, given, words):
    with pytest.raises(DeptError, match=words):
        pairs.predict(given)


def test_options_out_of_range(reviews):
    for options in (dict(k=0), dict(batch_size=0)):
        with pytest.raises(DeptError, match='must be at least 1'):
            reviews.predict('boring', **options)


def test_values():
    model = tune('bert', 'LinearTextHead', 'stsb')
    texts = dict(sentence1='a film', sentence2='the movie')
    one, = model.predict(texts)
    with torch.no_grad():
        expected = model.module(
            {name: [text] for name, text in texts.items()})
    assert one.answer == pytest.approx(expected.item(), abs=1e-6)
    assert not one.classes and not model.classes


@pytest.fixture(scope='module')
def written():
    """Questions whose answers T5 writes."""
    return tune('t5', 'Seq2SeqHead', 'newsqa')


def test_written_answers(written):
    """They are those of the library's own ``generate``."""
    lm = written.module.lm
    texts = dict(question='was it good ?', context='the film was great')
    one, = written.predict(texts)
    given = lm.tokenizer('question: was it good ? context: the film was '
                         'great', return_tensors='pt')
    expected = lm.model.generate(
        **{k: given[k] for k in ('input_ids', 'attention_mask')},
        max_new_tokens=20, do_sample=False)
    assert one.answer == lm.tokenizer.decode(
        expected[0], skip_special_tokens=True).strip()
    assert not one.classes and not one.probabilities


def test_a_class_that_is_written(monkeypatch):
    """There are no probabilities, and perhaps no class."""
    model = tune('t5', 'Seq2SeqHead', 'rte')
    monkeypatch.setattr(model.module.head, 'forward',
                        lambda encode, texts: ['1', 'what ?'])
    pair = dict(sentence1='a', sentence2='b')
    one, other = model.predict([pair, pair])
    assert one.answer == 'not_entailment' and other.answer is None
    assert not one.classes and not one.probabilities


def test_a_text_that_is_not_shown_is_not_needed():
    """WSC marks its noun and its pronoun in the text for T5."""
    model = tune('t5', 'Seq2SeqHead', 'wsc', max_new_tokens=2)
    assert model.names == ('text', )
    assert model.predict('it was a film') == model.predict(
        dict(text='it was a film', noun='film'))


def test_files(reviews, pairs, tmp_path):
    head = reviews.module.head
    (tmp_path / 'a.txt').write_text('boring\n\n the film was great\n')
    (tmp_path / 'a.csv').write_text('id,sentence\n1,boring\n2,"a film, bad"\n')
    # Files of this task have the number of the class, and no header.
    (tmp_path / 'a.tsv').write_text('0\tboring\n1\tgreat\n')
    assert [[one['sentence'] for one in read_texts(tmp_path / name, head)]
            for name in ('a.txt', 'a.csv', 'a.tsv')] == [
        ['boring', 'the film was great'], ['boring', 'a film, bad'],
        ['boring', 'great']]
    head = pairs.module.head
    rows = [dict(sentence1='a', sentence2='b'), dict(sentence1='c')]
    lines = [json.dumps(row) for row in rows]
    with gzip.open(tmp_path / 'a.jsonl.gz', 'wt') as file:
        file.write(lines[0])
    assert read_texts(tmp_path / 'a.jsonl.gz', head) == [
        dict(premise='a', hypothesis='b')]
    (tmp_path / 'b.jsonl').write_text('\n'.join(lines))
    with pytest.raises(DeptError, match="line 2: the columns are \\['sentence"
                       "1'\\]; the task needs \\['sentence1', 'sentence2'"):
        read_texts(tmp_path / 'b.jsonl', head)
    with pytest.raises(DeptError, match='give a dict of'):
        read_texts(tmp_path / 'a.txt', head)
    for name, words in (('no.txt', 'no such file'), ('no.csv', 'not found'),
                        ('no.xlsx', 'not found')):
        with pytest.raises(DeptError, match=words):
            read_texts(tmp_path / name, head)


def test_a_file_of_a_layout(tmp_path):
    """MultiRC has several questions in a record."""
    model = tune('roberta', 'LinearTextHead', 'multirc')
    answers = [dict(text=text, label=0) for text in ('one', 'two')]
    (tmp_path / 'a.jsonl').write_text(json.dumps(dict(passage=dict(
        text='a <b>film</b>', questions=[dict(
            question='what ?', idx=0, answers=answers)]))))
    assert read_texts(tmp_path / 'a.jsonl', model.module.head) == [
        dict(question='what ?', answer=text, paragraph='a film')
        for text in ('one', 'two')]
