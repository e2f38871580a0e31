"""The tasks of SuperGLUE (Wang et al., NeurIPS 2019)."""
from __future__ import annotations

from dept_mm.language.presets._parts import JSONL, make_pair


def on_hub(name: str) -> dict:
    """Describe a task of SuperGLUE on the Hub."""
    return dict(path='super_glue', name=name)


SUPER_GLUE = dict(
    boolq=make_pair(
        'question', 'passage', classes=('no', 'yes'), files=JSONL,
        values=('False', 'True'), words=('No', 'Yes'), hub=on_hub('boolq'),
        template='{passage} Question: {question} ? Answer: {mask} .'),
    cb=make_pair(
        'premise', 'hypothesis', files=JSONL, words=('Yes', 'No', 'Maybe'),
        classes=('entailment', 'contradiction', 'neutral'),
        hub=on_hub('cb'), measures=('accuracy', 'macro_f1')),
    wic=dict(
        columns=dict(sentence1='sentence1', sentence2='sentence2',
                     word='word'),
        classes=('different', 'same'), values=('False', 'True'), files=JSONL,
        template='{sentence1} {sentence2} Is {word} the same ? {mask} .',
        words=('No', 'Yes'), hub=on_hub('wic')),
    wsc=dict(
        columns=dict(text='marked', noun='span1_text', pronoun='span2_text'),
        classes=('different', 'same'), values=('False', 'True'), files=JSONL,
        template='{text} Is {pronoun} {noun} ? {mask} .', layout='wsc',
        source='text: {text}', words=('No', 'Yes'), hub=on_hub('wsc.fixed')),
    multirc=dict(
        columns=dict(question='question', answer='answer',
                     paragraph='paragraph'),
        classes=('wrong', 'right'), files=JSONL, layout='multirc',
        template='{paragraph} {question} Is it {answer} ? {mask} .',
        words=('No', 'Yes'), measures=('f1', 'exact_match', 'accuracy'),
        group=('idx.question', ), hub=on_hub('multirc')),
    record=dict(
        columns=dict(query='query', entities='entities', passage='passage'),
        answers='answers', all_answers=True, files=JSONL, layout='record',
        source='record query: {query} entities: {entities} '
        'passage: {passage}', measures=('squad_f1', 'squad_em'),
        hub=on_hub('record')))
