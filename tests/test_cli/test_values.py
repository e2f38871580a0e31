"""Values of options: dicts, texts with blanks, and all that MMEngine knows."""
import argparse

import pytest
from mmengine.config import DictAction

from dept_mm.cli.arguments import OptionsAction
from dept_mm.errors import DeptError


def parse(text, action=OptionsAction):
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=action)
    return parser.parse_args(['--options', f'key={text}']).options['key']


@pytest.mark.parametrize('text, value', [
    ("dict(type='A', b=dict(c=(1, [2.5, None, True, -1])))",
     dict(type='A', b=dict(c=(1, [2.5, None, True, -1])))),
    ("{'type': 'A', 'b': {1: 'c, d'}}", dict(type='A', b={1: 'c, d'})),
    ("[dict(type='A'), {'type': 'B'}]", [dict(type='A'), dict(type='B')]),
    ('dict()', {}),
    ("'a photo of a {}.'", 'a photo of a {}.'),
    ('"it\'s, well, a {}"', "it's, well, a {}"),
])
def test_dicts_and_texts(text, value):
    assert parse(text) == value


@pytest.mark.parametrize('text', [
    '1', 'a,b', '[(1,2),[a,b],c]', '"[a,b]"', "'a','b'", '"0.5"', '{}.',
    'None', 'dictionary', '"[a, b]"'])
def test_all_else_is_as_in_mmengine(text):
    assert parse(text) == parse(text, DictAction)


@pytest.mark.parametrize('text', [
    'dict(', "dict(type='A'", 'dict(a)', 'dict(**a)', 'dict(a=1, a=2)',
    "dict(a=open('x'))", "dict(a=__import__('os'))", "{'a'", "{'a': 1, 'b'}",
    '[dict(a=1), b]', 'dict(a=1)b', "{'a': 1, [2]: 3}"])
def test_what_is_no_literal(text):
    with pytest.raises(DeptError, match=r'--options key=.*KEY="dict\(a=1\)"'):
        parse(text)
