"""Known text tasks: GLUE, SuperGLUE and the papers' few-shot experiments.

Columns and files are those of the published archives, whose test labels are
not public. MultiRC must be converted to one line per answer. The templates
and label words of MNLI, QNLI, RTE, MRPC, QQP, SST-2 and the few-shot tasks
come from the public code of "Late Prompt Tuning" (Liu et al., 2022); the
others were written for this package.
"""
from __future__ import annotations

TSV = dict(train='train.tsv', val='dev.tsv')
JSONL = dict(train='train.jsonl', val='val.jsonl')
SENTIMENT = dict(
    columns=dict(sentence='sentence'), classes=('negative', 'positive'),
    template='{sentence} . It was {mask} .', words=('terrible', 'great'),
    files=TSV)
# Tasks of Late Prompt Tuning: the number of the class, then the text. There
# is no development file: protocols that test on it take the test file.
NUMBERED = dict(header=('label', 'sentence'), files=dict(
    train='train.tsv', val='test.tsv', test='test.tsv'))
PAIR = '{%s} ? {mask} , {%s}'
ENTAILED = ('entailment', 'not_entailment')


def make_pair(first: str, second: str, **options) -> dict:
    """Make a task on two texts that are named after their columns."""
    return dict(dict(columns={first: first, second: second}, files=TSV,
                     template=PAIR % (first, second)), **options)


TASKS = dict(
    # GLUE
    cola=dict(
        columns=dict(sentence='sentence'), files=TSV,
        classes=('unacceptable', 'acceptable'),
        header=('source', 'label', 'mark', 'sentence'),
        template='{sentence} This is {mask} .',
        words=('incorrect', 'correct'), measures=('matthews', )),
    sst2=SENTIMENT,
    mrpc=make_pair(
        'sentence1', 'sentence2', classes=('not_equivalent', 'equivalent'),
        columns=dict(sentence1='#1 String', sentence2='#2 String'),
        label='Quality', words=('No', 'Yes'), measures=('accuracy', 'f1')),
    qqp=make_pair(
        'question1', 'question2', classes=('not_duplicate', 'duplicate'),
        label='is_duplicate', words=('No', 'Yes'),
        template='{question1} {mask} , {question2}',
        measures=('accuracy', 'f1')),
    stsb=dict(
        columns=dict(sentence1='sentence1', sentence2='sentence2'),
        label='score', files=TSV, step=0.2,
        measures=('pearson', 'spearman')),
    mnli=make_pair(
        'premise', 'hypothesis',
        columns=dict(premise='sentence1', hypothesis='sentence2'),
        classes=('entailment', 'neutral', 'contradiction'),
        label='gold_label', words=('Yes', 'Maybe', 'No'),
        files=dict(train='train.tsv', val='dev_matched.tsv',
                   val_mismatched='dev_mismatched.tsv')),
    qnli=make_pair('question', 'sentence', classes=ENTAILED,
                   words=('Yes', 'No')),
    rte=make_pair('sentence1', 'sentence2', classes=ENTAILED,
                  words=('Yes', 'No')),
    # SuperGLUE
    boolq=make_pair(
        'question', 'passage', classes=('no', 'yes'), files=JSONL,
        values=('False', 'True'), words=('No', 'Yes'),
        template='{passage} Question: {question} ? Answer: {mask} .'),
    cb=make_pair(
        'premise', 'hypothesis', files=JSONL, words=('Yes', 'No', 'Maybe'),
        classes=('entailment', 'contradiction', 'neutral'),
        measures=('accuracy', 'macro_f1')),
    wic=dict(
        columns=dict(sentence1='sentence1', sentence2='sentence2',
                     word='word'),
        classes=('different', 'same'), values=('False', 'True'), files=JSONL,
        template='{sentence1} {sentence2} Is {word} the same ? {mask} .',
        words=('No', 'Yes')),
    wsc=dict(
        columns=dict(text='text', noun='target.span1_text',
                     pronoun='target.span2_text'),
        classes=('different', 'same'), values=('False', 'True'), files=JSONL,
        template='{text} Is {pronoun} {noun} ? {mask} .',
        words=('No', 'Yes')),
    multirc=dict(  # one line per answer
        columns=dict(question='question', answer='answer',
                     paragraph='paragraph'),
        classes=('wrong', 'right'), files=JSONL,
        template='{paragraph} {question} Is it {answer} ? {mask} .',
        words=('No', 'Yes'), measures=('f1', 'exact_match', 'accuracy'),
        group=('paragraph', 'question')),
    # few-shot experiments of Late Prompt Tuning
    mr=dict(SENTIMENT, **NUMBERED),
    mpqa=dict(SENTIMENT, **NUMBERED),
    subj=dict(SENTIMENT, **NUMBERED, classes=('subjective', 'objective'),
              words=('subjective', 'objective')),
    trec=dict(
        columns=dict(sentence='sentence'), **NUMBERED,
        classes=('DESC', 'ENTY', 'ABBR', 'HUM', 'LOC', 'NUM'),
        template='{mask} : {sentence}',
        words=('Description', 'Entity', 'Expression', 'Human', 'Location',
               'Number')))
