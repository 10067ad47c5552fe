"""A case has the mask, the centre and the neighbours of its crop."""

from __future__ import annotations

import numpy as np

from training.segmentation.data.reference_cases import case_of_crop, neighbouring_centres
from training.segmentation.data.scan_files import CropScan
from workers.imaging.resampling import CROP_STEP_MM


def test_a_case_keeps_the_positions_of_its_crop():
    inside = np.zeros((20, 20, 20), np.uint8)
    inside[5:9, 6:10, 7:12] = 255
    inside[9, 6:10, 7:12] = 100
    centre = np.array([6.5, 7.5, 9.0], np.float32)
    case = case_of_crop(
        CropScan(np.zeros(inside.shape, np.int16), inside, centre, "L1", centre[None], ("L1",), ("nobody",)), "x"
    )
    np.testing.assert_array_equal(case.reference.voxels, inside > 127)
    middle = np.argwhere(case.reference.voxels).mean(axis=0) * CROP_STEP_MM
    np.testing.assert_allclose(case.centre, middle)


def test_neighbours_are_the_next_levels_that_are_there():
    centres = {level: np.full(3, float(i)) for i, level in enumerate(("T12", "L1", "L2", "L4", "S1"))}
    for level, expected in (("L1", ["T12", "L2"]), ("L2", ["L1"]), ("T12", ["L1"]), ("L5", ["L4"])):
        neighbours = neighbouring_centres(level, centres)
        assert [list(n) for n in neighbours] == [list(centres[name]) for name in expected]
