"""The part on language models is not in the way of the others."""
import sys

import pytest
from mmengine.config import Config

from dept_mm.errors import DeptError
from dept_mm.language import build_language_model
from dept_mm.reports.explain import explain


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
    with pytest.raises(DeptError, match='neither an image classifier'):
        explain(Config(dict(model=dict(type='PromptedLanguageModel'))))
