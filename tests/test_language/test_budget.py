"""Sizes of prompts and rivals at one number of learned parameters."""
import pytest

pytest.importorskip('transformers')
pytest.importorskip('peft')
from language_models import build

from dept_mm.errors import DeptError


@pytest.mark.parametrize('config, count', [
    (dict(tuning=dict(type='LoRA')), 3 * 4 * 2 * 2 * 64),
    (dict(tuning=dict(type='DeepPrompts')), 12 * 4 * 64),
    (dict(tuning=dict(type='BottleneckAdapters')), 8 * (64 + 2 * 129)),
    (dict(prompts=[dict(type='SoftPrompt')]), 20 * 64),
    (dict(prompts=[dict(type='ADePTPrompt', num_tokens=3)]), None),
    (dict(prompts=[dict(type='DecomposedPrompt', num_tokens=3,
                        max_length=16)]), None),
    (dict(prompts=[dict(type='LatePrompt', layer=2, num_tokens=3,
                        generator='mppg')]), None)])
def test_budget(config, count):
    """The largest size that fits: one more would not."""
    config = dict(config)
    prompts = config.pop('prompts', [])
    budget = 3072 if config else 1300

    def learn(most):
        model = build('roberta', *prompts, budget=most, **config)
        return sum(p.numel() for name, p in model.named_parameters()
                   if not name.startswith('head'))

    found = learn(budget)
    assert found <= budget and (count is None or found == count)
    assert learn(found) == found > learn(found - 1)


def test_budgets_that_fit_nothing():
    for method, text in (
            ('LoRA', r'possible|1,024 \(r=1\), 2,048 \(r=2\)'),
            ('IA3', 'always learns'), ('FullTuning', 'always learns')):
        with pytest.raises(DeptError, match=text):
            build('roberta', tuning=dict(type=method), budget=100)
    with pytest.raises(DeptError, match='there are 2'):
        build('roberta', dict(type='SoftPrompt', num_tokens=2), budget=900,
              tuning=dict(type='IA3'))
    with pytest.raises(DeptError, match='does not depend on bottleneck'):
        build('roberta', dict(type='LatePrompt', layer=1, num_tokens=2),
              budget=900)
