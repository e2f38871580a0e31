"""Learned changes of weights become plain weights."""
import pytest
import torch

import dept_mm
from dept_mm.apis import TunedModel
from dept_mm.errors import DeptError
from dept_mm.registry import MODELS

PLACES = dict(places=['query', 'key', 'value', 'out'], rank=3)


@pytest.fixture
def tuned(pair_configs):
    """A classifier with a learner other than the common one, away from its
    start."""
    def make(learner, **options):
        config = pair_configs[learner, 'DePTHead']
        prompt = dict(config['backbone']['prompt'], **options)
        module = MODELS.build(dict(config, backbone=dict(
            config['backbone'], prompt=prompt)))
        for parameter in module.parameters():
            parameter.data.add_(torch.randn_like(parameter), alpha=.1)
        return TunedModel(module.eval(), config=None)

    return make


@pytest.mark.parametrize('options', [
    dict(), PLACES, dict(towers=['image']), dict(first_block=2)])
def test_equal_logits(tuned, images, options):
    model = tuned('CLIPLoRA', **options)
    merged = dept_mm.merge(model)
    with torch.no_grad():
        expected = model.logits(images)
        within = dict(rtol=0, atol=1e-6 * model.logit_scale)  # of cosines
        torch.testing.assert_close(merged.logits(images), expected, **within)
        found, expected = (
            m.with_classes(['owl', 'sea horse']).logits(images)
            for m in (merged, model))
        torch.testing.assert_close(found, expected, **within)
    assert merged.module.backbone.prompt is None
    frozen = model.module.backbone.clip.model
    changed = merged.module.backbone.clip.model.state_dict()
    differ = {name for name, value in frozen.state_dict().items()
              if not torch.equal(value, changed[name])}
    assert differ and all('attn' in name for name in differ)


def test_what_cannot_be_merged(tuned):
    for learner in ('MultiModalAdapter', 'MaPLePrompt'):
        with pytest.raises(DeptError, match=f'{learner} cannot be merged'):
            dept_mm.merge(tuned(learner))
    merged = dept_mm.merge(tuned('CLIPLoRA'))
    with pytest.raises(DeptError, match='nothing to merge'):
        dept_mm.merge(merged)
