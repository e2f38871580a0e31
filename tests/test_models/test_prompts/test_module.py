"""A learner and a module in each other's place, and what to write."""
import pytest

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.prompts import BasePrompt, PromptModule
from dept_mm.registry import MODELS


def names(kind):
    return sorted(name for name, found in MODELS.module_dict.items()
                  if isinstance(found, type) and issubclass(found, kind))


def test_kinds():
    assert names(PromptModule) == ['ADePTPrompt', 'DecomposedPrompt',
                                   'LatePrompt', 'SoftPrompt']
    assert not set(names(BasePrompt)) & set(names(PromptModule))


@pytest.mark.parametrize('name', names(PromptModule))
@pytest.mark.parametrize('as_class', [False, True])
def test_a_module_as_learner(clip, vocabulary, name, as_class):
    kind = MODELS.get(name) if as_class else name
    with pytest.raises(DeptError, match=(
            rf"PromptedCLIP\(prompt=.*{name} is a prompt module.*Write prompt="
            rf"dict\(type='TowerPrompts', text=\[dict\(type='{name}', ")):
        PromptedCLIP(clip, vocabulary, dict(type=kind))


@pytest.mark.parametrize('name', names(BasePrompt))
@pytest.mark.parametrize('tower', ['text', 'image'])
def test_a_learner_as_module(clip, vocabulary, name, tower):
    with pytest.raises(DeptError, match=(
            rf"TowerPrompts\({tower}=.*{name} is a prompt learner.*Write "
            rf".*prompt=dict\(type='{name}', ")):
        PromptedCLIP(clip, vocabulary, {
            'type': 'TowerPrompts', tower: [dict(type=name)]})


@pytest.mark.parametrize('name', ['CLIPHead', 'NoSuchPrompt', None])
def test_neither(clip, vocabulary, name):
    with pytest.raises(DeptError, match=(
            rf'{name!r} is none of the classes that go here: .*CoOpPrompt')):
        PromptedCLIP(clip, vocabulary, dict(type=name))
