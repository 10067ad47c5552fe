"""The means over blocks against NumPy, bit by bit, in any order of the axes."""

from __future__ import annotations

import numpy as np
import pytest

from workers.imaging.block_means import write_block_means
from workers.imaging.resampling import AIR_HU, HIGHEST_HU


def by_numpy(hu, factor):
    """Plane by plane: the planes of a block are added up first, then the rows and columns of their mean."""
    out = -(-np.array(hu.shape) // factor)
    rows, columns, planes = (
        np.minimum(np.arange(n * f), size - 1) for n, f, size in zip(out, factor, hu.shape, strict=True)
    )
    blocks = np.empty(out, np.float32)
    for k in range(out[2]):
        total = np.zeros(hu.shape[:2], np.float32)
        for plane in planes[k * factor[2] : (k + 1) * factor[2]]:
            total += np.clip(hu[:, :, plane].astype(np.float32), AIR_HU, HIGHEST_HU)
        mean = np.asfortranarray((total / np.float32(factor[2]))[rows][:, columns])
        blocks[:, :, k] = mean.reshape(out[0], factor[0], out[1], factor[1]).mean(axis=(1, 3))
    return blocks


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("factor", [(6, 6, 3), (4, 5, 1), (1, 2, 7)])
def test_they_are_those_of_numpy(dtype, factor):
    stored = np.random.default_rng(0).uniform(-3000, 5000, (23, 31, 17)).astype(dtype)
    views = stored, np.asfortranarray(stored), stored.transpose(2, 0, 1)[::-1, :, ::-1]
    for hu in views:
        expected = by_numpy(hu, np.array(factor))
        got = np.empty_like(expected)
        write_block_means(hu, np.array(factor), np.float32(AIR_HU), np.float32(HIGHEST_HU), got)
        np.testing.assert_array_equal(got, expected)
