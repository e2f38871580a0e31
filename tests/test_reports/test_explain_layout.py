"""Tokens that ``tools/explain.py`` tells; test_explain_cost.py compares them
with real ones for every learner."""
import pytest
import torch
from torch import nn

from dept_mm.models import PromptedCLIP
from dept_mm.models.prompts import BasePrompt
from dept_mm.reports.explain import explain, format_report
from dept_mm.reports.explain._layout import token_layout
from dept_mm.reports.explain._parameters import collapse_names
from dept_mm.structures import Prompts


def classifier(backbone):
    model = nn.Module()
    model.backbone = backbone
    return model


class Everything(BasePrompt):
    """All that a learner may return."""
    num_context = 3
    position = 'end'

    def __init__(self, clip, vocabulary):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(3, 32))
        self.b = nn.Parameter(torch.zeros(3, 32))
        self.net = nn.Linear(32, 32, bias=False)

    def for_text(self, given):
        length = given.tokens.ids.shape[1]
        return Prompts(
            context=self.net(self.a).expand(len(given.image), 1, 3, 32),
            offset=(self.a[:1] @ self.net.weight).expand(length, 32),
            deep={1: self.b},
            inserted={1: lambda hidden, last: hidden[:, :2] * self.net.weight[
                0]})

    def for_image(self):
        return Prompts(inserted={1: self.b.expand(4, 3, 32)})


def test_layout_of_all_that_prompts_can_be(clip, vocabulary):
    backbone = PromptedCLIP(clip, vocabulary, dict(type=Everything))
    layout = token_layout(classifier(backbone), batch_size=4)
    weights = ['backbone.prompt.a', 'backbone.prompt.net.weight']

    def found(tower):
        return [[(t['name'], t['count'], t['state'], t['per'], t['new'])
                 for t in layer['tokens']]
                for layer in layout[tower]['layers']]

    start, end, dot = ((n, [1, 1], 'frozen', None, False)
                       for n in ('start', 'end', '.'))
    # 'cat' is one token; 'a very long winded class name' is 7: 'wind ed'.
    name = ('name', [1, 7], 'frozen', None, False)
    assert found('text') == [
        [start, ('context', [3, 3], 'computed', 'image', False), name, dot,
         end],
        [start, ('inserted', [2, 2], 'learned', 'class', True),
         ('context', [3, 3], 'learned', None, True), name, dot, end]]
    own = [('class token', [1, 1], 'frozen', None, False),
           ('patch', [4, 4], 'frozen', None, False)]
    assert found('image') == [
        own, [*own, ('inserted', [3, 3], 'learned', 'image', True)]]
    text = layout['text']
    assert text['layers'][0]['tokens'][1]['sources'] == weights
    assert text['offset']['sources'] == weights
    assert text['offset']['count'] == [10, 10]  # start, name, dot, end
    assert [layer['length'] for layer in text['layers']] == [
        [7, 13], [9, 15]]


@pytest.mark.parametrize('position, order', [
    ('end', ['start', 'context', 'name', '.', 'end']),
    ('middle', ['start', 'context', 'name', 'context', '.', 'end']),
    ('front', ['start', 'name', 'context', '.', 'end'])])
def test_layout_of_positions_and_classes(clip, vocabulary, position, order):
    backbone = PromptedCLIP(clip, vocabulary, dict(
        type='CoOpPrompt', num_tokens=5, class_specific=True,
        position=position))
    layer, = token_layout(classifier(backbone), 4)['text']['layers']
    assert [t['name'] for t in layer['tokens']] == order
    context = [t for t in layer['tokens'] if t['name'] == 'context']
    assert [t['count'][0] for t in context] == (
        [2, 3] if position == 'middle' else [5])
    assert {t['per'] for t in context} == {'class'}


def test_layout_of_late_tokens_in_front(clip, vocabulary):
    late = dict(type='LatePrompt', num_tokens=2)
    backbone = PromptedCLIP(clip, vocabulary, dict(type='TowerPrompts', text=[
        dict(late, layer=0, generator='none', placement='before_sos'), late]))
    own = ['start', 'a photo of a', 'name', '.', 'end']
    layers = token_layout(classifier(backbone), 4)['text']['layers']
    assert [[t['name'] for t in layer['tokens']] for layer in layers] == [
        ['inserted', *own], ['inserted', 'start', 'inserted', *own[1:]]]


@pytest.mark.parametrize('kind', ['resnet', 'timm', 'coca', 'not_causal'])
def test_other_towers(clip_configs, small_run, kind):
    cfg = small_run('coop/quickstart.py', clip=clip_configs[kind])
    if kind == 'coca':
        cfg.model.backbone.prompt = None
    facts = explain(cfg)
    assert facts['layout']['text']['layers']
    assert bool(facts['layout']['image']['layers']) == (
        kind in ('coca', 'not_causal'))
    assert isinstance(facts['evaluation']['flop'], dict)
    assert 'IMAGE TOWER' in format_report(facts)


def test_names_that_differ_in_a_number_go_together():
    names = ['a.0.w', 'a.1.w', 'b', 'c.3', 'd.0', 'd.2']
    assert collapse_names(names) == {
        'a.{0-1}.w': names[:2], 'b': ['b'], 'c.3': ['c.3'],
        'd.{0,2}': names[4:]}
    assert list(collapse_names(names[:2], kind=str)) == names[:2]
