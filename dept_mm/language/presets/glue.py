"""The tasks of GLUE (Wang et al., ICLR 2019)."""
from __future__ import annotations

from dept_mm.language.presets._parts import (
    ENTAILED,
    SENTIMENT,
    TSV,
    make_pair,
    make_they_are,
)


def on_hub(name: str, **options) -> dict:
    """Describe a task of GLUE on the Hub; its labels are numbers there."""
    return dict(path='glue', name=name, label='label', **options)


GLUE = dict(
    cola=dict(
        columns=dict(sentence='sentence'), files=TSV, hub=on_hub('cola'),
        classes=('unacceptable', 'acceptable'),
        header=('source', 'label', 'mark', 'sentence'),
        template='{sentence} This is {mask} .',
        words=('incorrect', 'correct'), measures=('matthews', )),
    sst2=dict(SENTIMENT, hub=on_hub('sst2')),
    mrpc=make_pair(
        'sentence1', 'sentence2', classes=('not_equivalent', 'equivalent'),
        columns=dict(sentence1='#1 String', sentence2='#2 String'),
        label='Quality', words=('No', 'Yes'), measures=('accuracy', 'f1'),
        causal=make_they_are('sentence1', 'sentence2'),
        hub=on_hub('mrpc', columns=dict(
            sentence1='sentence1', sentence2='sentence2'))),
    qqp=make_pair(
        'question1', 'question2', classes=('not_duplicate', 'duplicate'),
        label='is_duplicate', words=('No', 'Yes'),
        template='{question1} {mask} , {question2}',
        measures=('accuracy', 'f1'), hub=on_hub('qqp')),
    stsb=dict(
        columns=dict(sentence1='sentence1', sentence2='sentence2'),
        label='score', files=TSV, step=0.2, hub=on_hub('stsb'),
        measures=('pearson', 'spearman')),
    mnli=make_pair(
        'premise', 'hypothesis',
        columns=dict(premise='sentence1', hypothesis='sentence2'),
        classes=('entailment', 'neutral', 'contradiction'),
        label='gold_label', words=('Yes', 'Maybe', 'No'),
        files=dict(train='train.tsv', val='dev_matched.tsv',
                   val_mismatched='dev_mismatched.tsv'),
        hub=on_hub('mnli', splits=dict(
            train='train', val='validation_matched',
            val_mismatched='validation_mismatched'),
            columns=dict(premise='premise', hypothesis='hypothesis'))),
    qnli=make_pair(
        'question', 'sentence', classes=ENTAILED, words=('Yes', 'No'),
        causal=make_they_are('question', 'sentence'), hub=on_hub('qnli')),
    rte=make_pair(
        'sentence1', 'sentence2', classes=ENTAILED, words=('Yes', 'No'),
        causal=make_they_are('sentence1', 'sentence2'), hub=on_hub('rte')))
