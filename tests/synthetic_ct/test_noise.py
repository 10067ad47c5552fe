"""Smooth noise has the deviation and the correlation length it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_ct.noise import smooth_noise


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_smooth_noise_has_unit_deviation_and_the_length_asked_for():
    for width, gap in ((1.5, 2), (6.0, 8), (20.0, 25)):
        noise = np.concatenate([smooth_noise(generator(s), (90, 80, 70), width) for s in range(2)], axis=1)
        assert noise.shape == (90, 160, 70)
        assert noise.std() == pytest.approx(1.0, rel=0.15)
        near = np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]
        apart = np.corrcoef(noise[:-gap].ravel(), noise[gap:].ravel())[0, 1]
        assert near > 0.8 > 0.75 > apart
