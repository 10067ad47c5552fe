"""Whether a mask ends where the bone ends: real masks of real CTs, and the same a voxel larger or smaller."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tests.workers.mask.real_masks import TPTBOX, TS, label_map
from workers.imaging.volume import read_ct
from workers.mask.cleaning import clean_mask
from workers.mesh.mask_surface import extract_surface
from workers.outline.edge_offset import edge_offset, is_off_the_edge


@pytest.mark.parametrize(("folder", "label", "step"), [(TS, 31, 2.0), (TS, 28, 2.0), (TPTBOX, 22, 1.0)])
def test_a_mask_that_was_dilated_or_eroded(data_dir, folder, label, step):
    ct, clean = read_ct(data_dir / folder / "ct.nii.gz"), clean_mask(label_map(data_dir, folder), label)
    voxel_mm = float(ct.spacing.max())

    def offset(voxels):
        return edge_offset(extract_surface(voxels, clean.affine), ct)

    assert not is_off_the_edge(offset(clean.voxels), voxel_mm)
    larger, smaller = offset(ndimage.binary_dilation(clean.voxels)), offset(ndimage.binary_erosion(clean.voxels))
    assert is_off_the_edge(larger, voxel_mm)
    assert is_off_the_edge(smaller, voxel_mm)
    assert larger <= -step
    assert smaller >= step


def test_the_limit_follows_coarse_voxels():
    assert [is_off_the_edge(mm, voxel) for mm, voxel in ((0.5, 1.0), (-0.8, 1.0), (0.8, 3.0), (-1.0, 3.0))] == [
        False,
        True,
        False,
        True,
    ]
    assert np.isclose(0.3 * 3.0, 0.9)
