"""What the descriptions of several tasks share."""
from __future__ import annotations

TSV = dict(train='train.tsv', val='dev.tsv')
JSONL = dict(train='train.jsonl', val='val.jsonl')
SENTIMENT = dict(
    columns=dict(sentence='sentence'), classes=('negative', 'positive'),
    template='{sentence} . It was {mask} .', words=('terrible', 'great'),
    causal='{sentence} It was {mask} .', files=TSV)
PAIR = '{%s} ? {mask} , {%s}'
ENTAILED = ('entailment', 'not_entailment')


def make_pair(first: str, second: str, **options) -> dict:
    """Make a task on two texts that are named after their columns."""
    return dict(dict(columns={first: first, second: second}, files=TSV,
                     template=PAIR % (first, second)), **options)


def make_they_are(first: str, second: str) -> str:
    """Make Late Prompt Tuning's template of pairs for causal models."""
    return f'{{{first}}} {{{second}}} They are {{mask}} .'
