"""What is explained of a language model."""
from pathlib import Path

import pytest

pytest.importorskip('transformers')
from language_models import save
from mmengine.config import Config

from dept_mm.reports.explain import explain, format_report, replace_datasets

CONFIGS = Path(__file__).parents[2] / 'configs/language'


@pytest.fixture(scope='module')
def lm(tmp_path_factory):
    return save('bert', tmp_path_factory.mktemp('bert'))


def facts_of(leaf, lm, *prompts):
    cfg = Config.fromfile(CONFIGS / leaf)
    cfg.model.update(lm=dict(name=lm), max_length=16, prompts=list(prompts))
    replace_datasets(cfg, ('bad', 'good'), 40)
    return explain(cfg)


def test_input_and_late_prompts(lm):
    facts = facts_of(
        'late_minilm_reviews.py', lm,
        dict(type='DecomposedPrompt', num_tokens=3, rank=2, max_length=16),
        dict(type='LatePrompt', layer=2, num_tokens=5, generator='npg',
             bottleneck=4))
    first, second = facts['layout']['language']['layers']
    assert (first['first'], first['last']) == (0, 1)
    assert (second['first'], second['last']) == (2, 3)
    assert [(t['name'], t['count'], t['state']) for t in first['tokens']] == [
        ('prompt', [3, 3], 'learned'), ('text', [1, 16], 'frozen')]
    assert [t['name'] for t in second['tokens']] == ['late', 'prompt', 'text']
    assert second['tokens'][0]['per'] == 'input'
    assert second['length'] == [9, 24]
    # 3 rows of 64, an offset of 16 x 2 and 2 x 64; in the generator, two
    # linear maps, 64 to 4 and 4 to 5 rows of 64, with biases.
    shapes = {row['name']: row['count'] for row in facts[
        'parameters']['learned']}
    assert sum(n for name, n in shapes.items() if 'input' in name) == (
        3 * 64 + 16 * 2 + 2 * 64)
    assert facts['parameters']['frozen_count'] > 100 * 64
    assert facts['training']['steps'] == 15  # 3 epochs of 80 in batches of 16
    text = format_report(facts)
    assert 'LANGUAGE MODEL  4 blocks of width 64' in text
    assert '[prompt x 3: learned] [text x 1-16] = 4-19 tokens' in text
    assert 'one per token, added to 1-16 own tokens' in text
    assert 'tools/benchmarks/language.py' in text


@pytest.mark.parametrize('method, count', [
    ('BitFit', None), ('LoRA', 3072), ('DeepPrompts', 3072), ('IA3', 1280)])
def test_methods_that_tune_the_model(lm, method, count):
    """What is learned inside the model is not frozen."""
    pytest.importorskip('peft')
    cfg = Config.fromfile(CONFIGS / 'linear_minilm_reviews.py')
    replace_datasets(cfg, ('bad', 'good'), 40)
    cfg.model.update(lm=dict(name=lm), max_length=16)
    plain = explain(cfg.copy())['parameters']
    cfg.model.tuning = dict(type=method)
    cfg.model.budget = 3100 if count else None
    facts = explain(cfg)
    found = facts['parameters']
    learned = found['learned_count'] - plain['learned_count']
    if count is None:  # its biases are frozen without it
        assert learned == plain['frozen_count'] - found['frozen_count'] > 0
    else:
        assert learned == count
        assert found['frozen_count'] == plain['frozen_count']
    assert f'tuning {method}' in format_report(facts)


def test_steps_instead_of_epochs(tmp_path):
    facts = facts_of('soft-prompt_t5-base_30k_rte.py', save('t5', tmp_path),
                     dict(type='SoftPrompt', num_tokens=2))
    assert facts['training']['steps'] == 30000
