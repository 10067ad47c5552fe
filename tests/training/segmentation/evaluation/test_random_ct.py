"""Random synthetic CTs are as wide and as high as hospitals' scans."""

from __future__ import annotations

import numpy as np

from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from synthetic_ct.spine import make_template_spine
from training.segmentation.evaluation.random_ct import BOTTOMS, TOPS, random_ct


def test_random_cts_range_from_level_to_level(morpher):
    scan = random_ct(np.random.default_rng(7), [make_template_spine(morpher)])
    (x, y, z) = scan.ct.voxels.shape * scan.ct.spacing
    assert scan.labels.voxels.shape == scan.ct.voxels.shape
    assert 150.0 < x < 520.0
    assert 150.0 < y < 420.0
    assert 45.0 < z < 750.0
    assert scan.labels.voxels.any()
    assert set(TOPS) | set(BOTTOMS) <= set(THORACOLUMBAR_LEVELS)
