"""Tasks of Late Prompt Tuning that are not in GLUE."""
from __future__ import annotations

from dept_mm.language.presets._parts import SENTIMENT

# The number of the class, then the text. There is no development file:
# protocols that test on it take the test file.
NUMBERED = dict(header=('label', 'sentence'), files=dict(
    train='train.tsv', val='test.tsv', test='test.tsv'))
FEW_SHOT = dict(
    mr=dict(SENTIMENT, **NUMBERED),
    mpqa=dict(SENTIMENT, **NUMBERED),
    subj=dict(SENTIMENT, **NUMBERED, classes=('subjective', 'objective'),
              words=('subjective', 'objective')),
    trec=dict(
        columns=dict(sentence='sentence'), **NUMBERED,
        classes=('DESC', 'ENTY', 'ABBR', 'HUM', 'LOC', 'NUM'),
        template='{mask} : {sentence}', causal='{sentence} It was {mask} .',
        words=('Description', 'Entity', 'Expression', 'Human', 'Location',
               'Number')))
