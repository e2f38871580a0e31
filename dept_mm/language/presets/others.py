"""Tasks of Decomposed Prompt Tuning and ADePT outside of benchmarks."""
from __future__ import annotations

from dept_mm.language.presets._parts import SENTIMENT, TSV, make_pair

OTHERS = dict(
    # The public code shows the first option twice; here both are shown.
    winogrande=dict(
        columns=dict(sentence='sentence', option1='option1',
                     option2='option2'),
        classes=('first', 'second'), label='answer', values=('1', '2'),
        files=dict(train='train_xl.jsonl', val='dev.jsonl'),
        source='sentence: {sentence} option0: {option1} option1: {option2}',
        template='{sentence} {option1} or {option2} ? The {mask} .',
        words=('first', 'second'),
        hub=dict(path='winogrande', name='winogrande_xl')),
    # There is no development file, as with MR: see ``few_shot``.
    yelp=dict(
        SENTIMENT, columns=dict(sentence='text'), values=('1', '2'),
        header=('label', 'text'), files=dict(
            train='train.csv', val='test.csv', test='test.csv'),
        hub=dict(path='yelp_polarity', values=(), splits=dict(
            train='train', val='test', test='test'))),
    scitail=make_pair(
        'premise', 'hypothesis', classes=('entailment', 'neutral'),
        columns=dict(premise='sentence1', hypothesis='sentence2'),
        label='gold_label', words=('Yes', 'Maybe'), files={
            split: f'scitail_1.0_{name}.txt' for split, name in (
                ('train', 'train'), ('val', 'dev'), ('test', 'test'))},
        hub=dict(path='scitail', name='snli_format')),
    paws=make_pair(
        'sentence1', 'sentence2', classes=('different', 'paraphrase'),
        words=('No', 'Yes'), files=dict(TSV, test='test.tsv'),
        hub=dict(path='paws', name='labeled_final')))
