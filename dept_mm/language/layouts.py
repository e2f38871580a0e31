"""Rows of files that hold several samples in one record.

A layout is a function that turns one record of a published file into rows
with the columns that the library ``datasets`` gives, cleans them as the
public code does, and does no more than this to rows that have these columns
already.
"""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping


def read_plain(record: Mapping) -> Iterator[Mapping]:
    """One row, as it is."""
    yield record


def read_multirc(record: Mapping) -> Iterator[Mapping]:
    """One row for each answer to each question on a passage."""
    if 'passage' not in record:
        rows = [record]
    else:
        passage = record['passage']
        rows = [dict(paragraph=passage['text'], question=item['question'],
                     answer=answer['text'], label=answer['label'],
                     idx=dict(question=item['idx']))
                for item in passage['questions'] for answer in item['answers']]
    for row in rows:
        yield dict(row, **{key: remove_markup(row[key]) for key in (
            'paragraph', 'question', 'answer')})


def read_record(record: Mapping) -> Iterator[Mapping]:
    """One row for each query on a passage; equal entities count once."""
    if 'qas' not in record:
        rows = [record]
    else:
        passage = record['passage']
        text = passage['text']
        # Published ends are those of the last character.
        entities = sorted({text[span['start']:span['end'] + 1]
                           for span in passage['entities']})
        rows = [dict(passage=text, entities=entities, query=item['query'],
                     answers=sorted({a['text'] for a in item['answers']}))
                for item in record['qas']]
    for row in rows:
        yield dict(row, passage=join_highlights(row['passage']),
                   entities=', '.join(row['entities']))


def read_mrqa(record: Mapping) -> Iterator[Mapping]:
    """One row for each question on a context; the header has none."""
    if 'header' in record:
        return
    for item in record.get('qas', [record]):
        yield dict(
            question=pad_punctuation(item['question']),
            context=pad_punctuation(record['context']),
            answers=[pad_punctuation(text) for text in item['answers']])


def read_wsc(record: Mapping) -> Iterator[Mapping]:
    """Put stars around the noun and hashes around the pronoun, as T5 does."""
    row = dict(record, **record.get('target', {}))
    noun, pronoun = row['span1_index'], row['span2_index']
    text = mark_span(row['text'], row['span1_text'], noun, '*')
    # The stars are two words more.
    yield dict(row, marked=mark_span(
        text, row['span2_text'], pronoun + 2 * (noun < pronoun), '#'))


def remove_markup(text: str) -> str:
    """Remove the tags of MultiRC: line breaks and bold type."""
    return re.sub('</?b>', '', text.replace('<br>', ' '))


def join_highlights(text: str) -> str:
    """Turn the highlights of ReCoRD's articles into sentences."""
    text = re.sub(r'([.?!"\x27])\n@highlight\n', r'\1 ', text)
    return text.replace('\n@highlight\n', '. ')


def pad_punctuation(text: str) -> str:
    """Put spaces around punctuation, and make one space of several.

    Underscores, letters, numbers and marks that belong to letters stay.
    """
    padded = re.sub(r'[^\w\s]', lambda found: found[0] if unicodedata.category(
        found[0]).startswith('M') else f' {found[0]} ', text)
    return re.sub(r'\s+', ' ', padded)


def mark_span(text: str, span: str, index: int, sign: str) -> str:
    """Put signs around the span that starts at a word.

    The text is returned as it is if the span does not start there.

    Args:
        text (str): The text.
        span (str): The span. Capitals and a full stop in which it differs
            from the text do not matter.
        index (int): Number of words before it.
        sign (str): The sign.
    """
    if span not in text:
        span = span.rstrip('.').replace('\n', ' ')
    return re.sub(rf'^((?:\S+\s){{{index}}})({re.escape(span)})',
                  rf'\1{sign} \2 {sign}', text, flags=re.IGNORECASE)


LAYOUTS = dict(plain=read_plain, multirc=read_multirc, record=read_record,
               mrqa=read_mrqa, wsc=read_wsc)
