"""HU: every tissue has those it has, the cortex is bright, the seed decides."""

from __future__ import annotations

import numpy as np

from synthetic_ct.hounsfield import HU_RANGE, assign_hu
from synthetic_ct.tissue import Tissue


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_tissues_have_the_hu_they_have(cylinder):
    bone, disc = [], []
    for seed in range(12):
        hu = assign_hu(generator(seed), cylinder)
        assert hu.dtype == np.float32
        free = cylinder.bone == 0
        air = hu[free & (cylinder.tissue == Tissue.AIR)]
        low, high = HU_RANGE[Tissue.AIR]
        assert low <= air.min() == air.max() <= high
        for kind, margin in ((Tissue.FAT, 15.0), (Tissue.MUSCLE, 35.0)):
            low, high = HU_RANGE[kind]
            assert low - 15.0 <= np.median(hu[free & (cylinder.tissue == kind)]) <= high + margin
        bone.append(hu[~free].mean())
        disc.append(hu[free & (cylinder.tissue == Tissue.DISC)].mean())
    assert np.mean(bone) > np.mean(disc) + 100.0
    assert 50.0 < min(bone) < max(bone) < 700.0
    assert max(bone) > 1.5 * min(bone)  # osteoporotic and dense


def test_the_cortex_is_brighter_than_the_marrow(cylinder):
    shell, core = (cylinder.depth > 0) & (cylinder.depth <= 1.0), cylinder.depth > 6.0
    made = [assign_hu(generator(seed), cylinder) for seed in range(12)]
    excess = [hu[shell].mean() - hu[core].mean() for hu in made]
    assert min(excess) > 20.0
    assert np.mean(excess) > 150.0


def test_the_same_seed_gives_the_same_hu(cylinder):
    one, same, other = (assign_hu(generator(seed), cylinder) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).mean() > 10.0
