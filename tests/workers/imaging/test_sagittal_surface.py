"""The sagittal surface through a bent spine."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.workers.results.bent_spine import BONE_HU, CENTRES, TISSUE_HU, drawn_ct
from workers.imaging.point_samples import sample_points
from workers.imaging.resampling import AIR_HU
from workers.imaging.sagittal_surface import SagittalWindow, extent, sample_sagittal
from workers.imaging.volume import Volume

WINDOW = SagittalWindow(front=60.0, top=150.0, depth=100.0, height=170.0)


def test_points_have_the_hu_of_the_voxels_and_air_lies_beyond():
    ramp = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.diag([-2.0, 1.0, 3.0, 1.0]))
    index = np.array([[0.0, 0.0, 0.0], [2.0, 3.0, 4.0], [1.0, 1.5, 2.5], [-1.0, 0.0, 0.0]])
    np.testing.assert_allclose(sample_points(ramp, index * [-2.0, 1.0, 3.0]), [0.0, 59.0, 30.0, AIR_HU])


def test_the_surface_runs_through_every_body_however_far_it_lies_sideways():
    hu = sample_sagittal(drawn_ct(), CENTRES[[2, 0, 4, 1, 3]], WINDOW, step=1.0)
    assert hu.shape == (170, 100)
    for _, y, z in CENTRES:
        assert hu[round(150.0 - z - 0.5), round(60.0 - y - 0.5)] == pytest.approx(BONE_HU, abs=1.0)
    assert hu[:, -5:].max() == pytest.approx(TISSUE_HU, abs=1.0)
    straight = sample_sagittal(drawn_ct(), CENTRES[2:3], WINDOW, step=1.0)  # a plane, 30 mm beside the last body
    assert straight[150, round(60.0 - CENTRES[4, 1])] == pytest.approx(TISSUE_HU, abs=1.0)


@pytest.mark.parametrize("degrees", [(0.0, 0.0, 180.0), (90.0, 0.0, 90.0), (12.0, -25.0, 8.0)])
def test_the_orientation_of_the_voxels_changes_nothing(degrees):
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ np.diag([1.0, 1.0, -1.0])
    there = sample_sagittal(drawn_ct(turn), CENTRES, WINDOW, step=1.0)
    here = sample_sagittal(drawn_ct(), CENTRES, WINDOW, step=1.0)
    assert np.abs(there - here).mean() < 2.0
    assert np.abs(there - here).max() < 90.0


def test_the_extent_reaches_to_the_outer_faces_of_the_voxels():
    ct = Volume(
        np.zeros((2, 3, 4), np.int16), np.array([[0, 0, 2.0, 5], [-1.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 0, 1]])
    )
    np.testing.assert_allclose(extent(ct), [[4.0, -1.5, -1.5], [12.0, 0.5, 7.5]])
