"""Run the public code of DAC, and write the logits that it gives.

    python tests/parity/make_dac.py PUBLIC

PUBLIC is a checkout of github.com/ml-stat-Sustech/CLIP_Calibration (5b68fb1).
It runs as it is, but on the CPU.
"""
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

REFERENCE = Path(__file__).parents[1] / 'data/reference/dac.npz'


def make_data() -> dict[str, np.ndarray]:
    """Draw normalised texts of 8 base and 6 new classes, and logits. Tuning
    moves new classes by different lengths, and one of them hardly."""
    random = np.random.RandomState(0)
    frozen = random.randn(14, 32) + 2
    tuned = frozen + .3 * random.randn(14, 32)
    tuned[8:] += np.linspace(0, 2, 6)[:, None] * random.randn(6, 32)
    tuned[8] = tuned[0] + .01
    logits = 20 * random.randn(100, 14)
    return dict(logits=logits.astype(np.float32), **{
        name: x / np.linalg.norm(x, axis=1, keepdims=True)
        for name, x in (('frozen', frozen), ('tuned', tuned))})


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    from trainers.calibration.distanse_aware_calibration import (
        DistanseAwareCalibration,
    )
    data = make_data()
    public = DistanseAwareCalibration()
    public.fit(data['frozen'][:8], data['frozen'], data['tuned'][:8],
               data['tuned'], 5)
    with patch.object(torch.Tensor, 'cuda', lambda x: x):
        logits = public.predict(data['logits'].copy())
    np.savez_compressed(REFERENCE, factors=public.class_confidence,
                        logits=logits)


if __name__ == '__main__':
    main()
