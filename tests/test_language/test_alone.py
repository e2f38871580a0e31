"""The part on language models is not in the way of the others."""
import ast
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from dept_mm.errors import DeptError
from dept_mm.language import build_language_model
from dept_mm.reports.explain import explain

PACKAGE = Path(__file__).parents[2] / 'dept_mm'


def imports(tree):
    """Modules that are imported when a file is."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize('path', sorted(PACKAGE.rglob('*.py')), ids=lambda
                         path: str(path.relative_to(PACKAGE)))
def test_imports(path):
    """mmengine imports transformers where it is installed; nothing of this
    package does, nor what breaks beside it, and only the package itself
    imports the part on language models."""
    found = list(imports(ast.parse(path.read_text())))
    assert not [name for name in found if name.startswith(
        ('transformers', 'mmpretrain.models.multimodal'))]
    inside = (PACKAGE / 'language') in path.parents
    assert inside or not [name for name in found
                          if name.startswith('dept_mm.language')]


def test_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(DeptError, match=r'dept-mm\[language\]'):
        build_language_model(dict(name='nowhere'))


def test_models_that_are_not_there(tmp_path):
    pytest.importorskip('transformers')
    with pytest.raises(DeptError, match='cannot be loaded'):
        build_language_model(dict(name=str(tmp_path)))
    with pytest.raises(DeptError, match="unknown options \\['size'\\]"):
        build_language_model(dict(name='x', size=1))


def test_tools_for_images_say_so():
    with pytest.raises(DeptError, match='not an image classifier'):
        explain(Config(dict(model=dict(type='PromptedLanguageModel'))))
