"""Metal lies in bone, and its streaks stay in its slices."""

from __future__ import annotations

import numpy as np

from synthetic_ct.metal import add_metal


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_metal_lies_in_bone_and_streaks_stay_in_its_slices(cylinder):
    plain = np.full(cylinder.bone.shape, 100.0, np.float32)
    for seed in range(8):
        hu = plain.copy()
        add_metal(generator(seed), hu, cylinder, share=1.0)
        screws = hu > 1500.0
        assert (screws & (cylinder.bone > 0)).any()
        touched = screws.any(axis=(0, 1))
        np.testing.assert_array_equal(hu[:, :, ~touched], 100.0)
        assert np.ptp(hu[:, :, touched][~screws[:, :, touched]]) > 10.0
    untouched = plain.copy()
    add_metal(generator(), untouched, cylinder, share=0.0)
    np.testing.assert_array_equal(untouched, plain)
