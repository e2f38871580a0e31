"""Distance-aware calibration is that of the public code.

``make_dac.py`` writes ``dac.npz``.
"""
from types import SimpleNamespace

import numpy as np
import torch
from make_dac import REFERENCE, make_data

from dept_mm.apis import TunedModel
from dept_mm.evaluation.distance_aware import compute_factors


def test_factors_and_logits():
    data = {key: torch.from_numpy(x) for key, x in make_data().items()}
    with np.load(REFERENCE) as file:
        expected = {key: torch.from_numpy(x) for key, x in file.items()}
    # Lengths do not matter.
    found = compute_factors(3 * data['tuned'], 2 * data['frozen'],
                            data['tuned'][:8], data['frozen'][:8])
    torch.testing.assert_close(found, expected['factors'])
    assert (found[:9] == 1).all() and found[-1] < .9
    model = TunedModel(SimpleNamespace(), {}, 2., distance_aware=True)
    model.__dict__['factors'] = found
    torch.testing.assert_close(2 * model.sharpen(data['logits']),
                               expected['logits'])
