"""TDA is that of the public code. ``make_tda.py`` writes ``tda.npz``."""
import numpy as np
import pytest
import torch
from make_tda import REFERENCE, make_data

from dept_mm.models import TDA, CLIPHead
from dept_mm.structures import CLIPFeatures


@pytest.mark.parametrize('batch', [1, 7])
def test_logits(batch):
    image, text = make_data()
    labels, ids = torch.arange(8), tuple('abcdefgh')
    neck, head = TDA().eval(), CLIPHead()
    found = torch.cat([
        head(neck(CLIPFeatures(3 * text, labels, ids, torch.tensor(100.),
                               None, None, None, 2 * rows)))
        for rows in image.split(batch)])
    expected = torch.from_numpy(np.load(REFERENCE)['logits'])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    # Both caches are in use, and full ones are replaced.
    assert neck.positive.entropy.isfinite().all()
    assert neck.negative.entropy.isfinite().any(1).sum() > 2
