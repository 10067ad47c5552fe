"""Synthesised Hounsfield units lie in the ranges of their tissues, and change from scan to scan."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthetic_ct.hounsfield import CORTEX_HU, HU_RANGE, LEAST_MARROW_HU, MARROW_HU, TEXTURE_HU
from synthetic_ct.tissue import Tissue
from training.segmentation.synthesis.bone import ODD_HU, THIN_CORTEX_HU
from training.segmentation.synthesis.hounsfield import synthesise_hu

SCANS = 8


@pytest.fixture(scope="module")
def scans(anatomy) -> list[np.ndarray]:
    """Several scans of the boxes."""
    return [
        synthesise_hu(np.random.default_rng(seed), torch.Generator().manual_seed(seed), anatomy)[0, 0].numpy()
        for seed in range(SCANS)
    ]


def test_soft_tissue_lies_in_its_range(scans, anatomy):
    bone, value = anatomy.is_bone.numpy(), anatomy.value.numpy()
    for tissue, slack in ((Tissue.FAT, TEXTURE_HU[1]), (Tissue.AIR, 0.0)):
        low, high = HU_RANGE.get(tissue, (0.0, 0.0))
        medians = [float(np.median(hu[~bone & (value == tissue)])) for hu in scans]
        assert low - slack <= min(medians) <= max(medians) <= high + slack
    assert np.std([np.median(hu[~bone & (value == Tissue.FAT)]) for hu in scans]) > 1.0


def test_bone_has_a_cortex_about_its_marrow(scans, anatomy):
    depth = anatomy.depth.numpy()
    surface = np.array([np.median(hu[(depth > 0.0) & (depth < 1.5)]) for hu in scans])
    marrow = np.array([np.median(hu[depth > 5.0]) for hu in scans])
    assert (surface > THIN_CORTEX_HU[0] - 50.0).all()
    assert (surface < CORTEX_HU[1] + 50.0).all()
    assert (marrow >= LEAST_MARROW_HU).all()
    assert (marrow < MARROW_HU[1] + ODD_HU[1] + 200.0).all()
    assert np.mean(surface > marrow + 100.0) > 0.6
    assert np.ptp(marrow) > 50.0


def test_a_scan_depends_on_its_generators_alone(scans, anatomy):
    again = synthesise_hu(np.random.default_rng(1), torch.Generator().manual_seed(1), anatomy)[0, 0].numpy()
    np.testing.assert_array_equal(again, scans[1])
    assert not np.array_equal(again, scans[2])
