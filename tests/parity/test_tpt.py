"""TPT and C-TPT are those of the public codes. ``make_tpt.py`` writes
``tpt.npz``."""
import numpy as np
import pytest
import torch
from make_tpt import CASES, FILE, LR, SHARE, make_views
from reference_clip import BASE, NEW, reference_clip

from dept_mm.models import CLIPHead, PromptedCLIP
from dept_mm.models.class_texts import TPT
from dept_mm.structures import AugmentedViews

CLOSE = dict(rtol=1e-4, atol=1e-4)


class Noting(TPT):
    """Notes what happens while prompts are tuned on an image."""

    def __init__(self, *args):
        super().__init__(*args)
        self.found = dict(loss=[])

    def loss(self, *args):
        loss = super().loss(*args)
        self.found['loss'].append(loss.item())
        return loss

    def _gradient(self, *args):
        self.found['grad'], = gradient = super()._gradient(*args)
        return gradient

    def _tune(self, learned, *args):
        texts = super()._tune(learned, *args)
        self.found['context'] = learned[0].detach().clone()
        return texts


@pytest.fixture(scope='module')
def backbone():
    return PromptedCLIP(
        reference_clip(), BASE + NEW, tpt=dict(),
        prompt=dict(type='CoOpPrompt', words='a photo of a')).eval()


@pytest.mark.parametrize('case', CASES)
def test_tuning(backbone, case):
    weight, steps = CASES[case]
    expected = {key.partition('/')[2]: torch.from_numpy(value)
                for key, value in np.load(FILE).items()
                if key.partition('/')[0] == case}
    rows, start = make_views(), backbone.prompt.context.detach().clone()
    for i, views in enumerate(rows[:1]):
        backbone.tpt = Noting(LR, steps, SHARE, weight or 0.)
        logits = CLIPHead()(backbone(
            AugmentedViews(views[:1], views[None, 1:])))
        found = dict(backbone.tpt.found, logits=logits[0])
        for key, value in expected.items():
            scale = value[i].abs().max()
            torch.testing.assert_close(
                torch.as_tensor(found[key]) / scale, value[i] / scale,
                **CLOSE, check_dtype=False)
    # Images of one batch do not meet.
    with torch.inference_mode():
        logits = CLIPHead()(backbone(AugmentedViews(rows[:, 0], rows[:, 1:])))
    torch.testing.assert_close(logits, expected['logits'], **CLOSE)
    assert torch.equal(backbone.prompt.context, start)
