"""Questions whose answers are spans of a text, as MRQA published them.

Fisch et al., "MRQA 2019 shared task" (MRQA workshop, 2019). Its scripts write
the training files into one folder and the development files into another; here
these are ``train`` and ``dev`` in the data root.
"""
from __future__ import annotations


def make_questions(name: str, path: str) -> dict:
    """Describe one of MRQA's data sets by its files and its place on the
    Hub."""
    return dict(
        columns=dict(question='question', context='context'),
        answers='answers', layout='mrqa', measures=('squad_em', 'squad_f1'),
        files=dict(train=f'train/{name}.jsonl.gz', val=f'dev/{name}.jsonl.gz'),
        hub=dict(path=f'lucadiliello/{path}'))


QUESTIONS = dict(
    nq=make_questions('NaturalQuestions', 'naturalquestionsshortqa'),
    hotpotqa=make_questions('HotpotQA', 'hotpotqa'),
    searchqa=make_questions('SearchQA', 'searchqa'),
    newsqa=make_questions('NewsQA', 'newsqa'))
