"""Each promise of the documents names a test and the code that keeps it."""
import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / 'docs/promises.md').read_text('utf-8')
ROWS = [line.strip('|').split('|') for line in TABLE.splitlines()
        if line.startswith('| ') and not line.startswith('| promise')]


@cache
def names_in(path):
    """Dotted names of all functions, classes and values of a file."""
    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            name = getattr(child, 'name', None)
            if isinstance(child, ast.Assign):
                yield from (prefix + t.id for t in child.targets
                            if isinstance(t, ast.Name))
            elif name and isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                yield prefix + name
                yield from walk(child, f'{prefix}{name}.')
    return set(walk(ast.parse(path.read_text('utf-8')), ''))


@pytest.mark.parametrize('column, folders', [
    (2, ['tests']), (3, ['dept_mm', '.'])], ids=['tests', 'code'])
def test_what_the_table_names_exists(column, folders):
    assert len(ROWS) > 50
    for row in ROWS:
        found = re.findall(r'`([\w/-]+\.py)(?:::([\w.]+))?`', row[column])
        assert found, row
        for file, name in found:
            path = next(p for folder in folders
                        if (p := ROOT / folder / file).is_file())
            assert not name or name in names_in(path), f'{file}::{name}'


def test_nothing_loads_loosely():
    """No weights are loaded with strict=False, no file as a pickle."""
    loads = 0
    for path in [*ROOT.glob('dept_mm/**/*.py'), *ROOT.glob('tools/**/*.py')]:
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            options = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert options.get('weights_only', 'True') == 'True', path
            if called == 'torch.load':
                assert 'weights_only' in options, path
            if called.endswith(('load_state_dict', 'load_checkpoint')):
                assert options.get('strict', 'True') == 'True', path
            loads += called == 'torch.load'
    assert loads > 3
