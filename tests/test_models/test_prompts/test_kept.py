"""Offsets that are computed once for a whole evaluation."""
import copy

import pytest
import torch

from dept_mm.models.prompts import ADePTPrompt, DecomposedPrompt

WORDS = torch.randn(20, 6)
MODULES = dict(
    adept=lambda: ADePTPrompt(6, 2, 3, dropout=.5),
    decomposed=lambda: DecomposedPrompt(6, 2, 3, 9))


@pytest.fixture(params=MODULES)
def module(request):
    """Away from its start, in evaluation."""
    module = MODULES[request.param]()
    for parameter in module.parameters():
        parameter.data.normal_()
    return module.eval()


def merge(module, grad=False):
    given = [WORDS] if isinstance(module, ADePTPrompt) else []
    with torch.set_grad_enabled(grad):
        return module.merge(*given)


def test_they_are_kept_in_evaluation(module):
    first = merge(module)
    assert merge(module) is first
    learning = merge(module, grad=True)
    assert learning.requires_grad and torch.equal(learning, first)
    assert merge(module.train()) is not merge(module)
    again = merge(module.eval())
    assert again is not first and torch.equal(again, first)
    # Moved tensors may take the address of others.
    assert merge(module.float()) is not again


@torch.no_grad()
def update(module):
    for parameter in module.parameters():
        parameter.mul_(2)


def load(module):
    module.load_state_dict({k: v * 2 for k, v in module.state_dict().items()})


@pytest.mark.parametrize('change', [
    update, load, lambda module: module.half().float()])
def test_they_follow_what_they_are_made_of(module, change):
    old = merge(module)
    change(module)
    found = merge(module)
    assert not torch.equal(found, old)
    assert torch.equal(found, merge(module, grad=True))


def test_they_are_not_those_of_another_precision(module):
    full = merge(module)
    with torch.autocast('cpu', torch.bfloat16):
        rounded = merge(module)
    assert not torch.equal(rounded, full)
    assert torch.equal(merge(module), full)


def test_a_copy_has_its_own(module):
    old = merge(module)
    other = copy.deepcopy(module)
    update(module)
    assert torch.equal(merge(other), old)
    assert not torch.equal(merge(module), old)


@torch.no_grad()
def test_rows_that_training_saw_and_other_words():
    module = DecomposedPrompt(6, 2, 3, 9, untrained_rows='mask').eval()
    module.offset_b.normal_()
    for seen in (9, 4):
        module.rows_seen.fill_(seen)
        assert module.merge().any(1).sum() == seen
    module = ADePTPrompt(6, 2, 3).eval()
    module.offset_up.weight.normal_()
    for words in (WORDS, WORDS + 1):
        assert torch.equal(module.merge(words), words + module.offset(words))
