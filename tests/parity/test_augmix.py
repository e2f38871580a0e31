"""AugMix is that of TPT's public code. ``make_augmix.py`` writes
``augmix.npz``."""
from itertools import product

import numpy as np
import pytest
from make_augmix import FILE, SEEDS, SEVERITIES, make_image

from dept_mm.datasets import AugMix
from dept_mm.errors import DeptError


def test_images():
    expected = np.load(FILE)['images']
    assert len({image.tobytes() for image in expected}) == len(expected)
    for image, (severity, seed) in zip(
            expected, product(SEVERITIES, SEEDS), strict=True):
        np.random.seed(seed)
        found = AugMix(severity).transform(dict(img=make_image()))['img']
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[::8, ::8], image, rtol=1e-4,
                                   atol=1e-3)


def test_severity_out_of_range():
    with pytest.raises(DeptError, match='severity is 0; it must be between'):
        AugMix(0)
