"""The tube along the spine, and the peaks of the mark in it."""

from __future__ import annotations

import numpy as np
import pytest

from workers.imaging.volume import Volume
from workers.locate.row_network import ROW_MM, ROW_OUTPUTS, ROW_SHAPE, RowNetwork, peaks, tube_along
from workers.locate.spine_axis import SpineAxis


def sloping_ct() -> Volume:
    """1 HU a mm along (0.5, 1, 2), 0 HU at the origin; voxels of 2 x 2 x 3 mm, stored from left, front and top."""
    affine = np.diag([-2.0, -2.0, -3.0, 1.0])
    affine[:3, 3] = [120.0, 130.0, 180.0]
    points = np.moveaxis(np.indices((120, 130, 120)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    return Volume((points @ [0.5, 1.0, 2.0]).astype(np.float32), affine)


AXIS = SpineAxis(np.array([[20.0, 10.0, -60.0], [0.0, -20.0, 0.0], [5.0, 30.0, 80.0]]))


def test_the_tube_follows_the_axis_and_shows_the_ct_at_its_places():
    ct = sloping_ct()
    tube = tube_along(ct, AXIS, 20.0)
    assert tube.hu.shape[:2] == ROW_SHAPE
    assert tube.hu.shape[2] == pytest.approx((140.0 + 40.0) / ROW_MM, abs=1.0)
    voxels = np.array([[0.0, 0.0, 0.0], [31.0, 47.0, 40.0], [12.0, 20.0, 85.0]])
    world = tube.world(voxels)
    seen = [tube.hu[tuple(v)] for v in voxels.astype(int)]
    np.testing.assert_allclose(seen, world @ [0.5, 1.0, 2.0], atol=0.1)
    heights = world[:, 2]
    np.testing.assert_allclose(heights, [-80.0, 0.0, 90.0])
    expected = np.array([[20.0, 10.0], [0.0, -20.0], [5.0, 30.0]])  # upright beyond its ends
    np.testing.assert_allclose(tube.middle(voxels)[:, :2], expected, atol=ROW_MM / 2 + 1e-9)


def test_peaks_are_found_between_voxels_and_the_lower_of_two_near_ones_is_dropped():
    heat = np.zeros((32, 48, 90), np.float32)
    centres = np.array([[15.3, 27.6, 20.4], [16.0, 24.2, 38.7], [14.0, 25.0, 70.0]])
    grid = np.moveaxis(np.indices(heat.shape), 0, -1)
    for centre, height in zip(centres, (1.0, 0.8, 0.5), strict=True):
        heat = np.maximum(heat, height * np.exp(-np.square(grid - centre).sum(axis=-1) / (2.0 * 2.25**2)))
    heat = np.maximum(heat, 0.9 * np.exp(-np.square(grid - [15.0, 27.0, 25.0]).sum(axis=-1) / 4.0)).astype(np.float32)
    found = peaks(heat, 0.3, 6.5)
    np.testing.assert_allclose(found[0], centres[0], atol=1.0)
    np.testing.assert_allclose(found[1:], centres[1:], atol=0.25)
    assert len(peaks(heat, 0.6, 6.5)) == 2
    assert peaks(np.zeros_like(heat), 0.3, 6.5).shape == (0, 3)
    assert len(peaks(np.ones((32, 48, 600), np.float32), 0.3, 6.5)) == 1  # a plateau is one peak


class BrightAsMarks:
    """In place of the network: the marks are the image."""

    def run(self, names, inputs):
        assert names == ["marks"]
        return [np.repeat(inputs["tube"], len(ROW_OUTPUTS), axis=1)]


def test_marks_are_the_mean_over_a_tube_and_its_mirror():
    hu = np.random.default_rng(0).uniform(-200.0, 900.0, (*ROW_SHAPE, 37)).astype(np.float32)
    marks = RowNetwork(BrightAsMarks()).marks(hu)
    assert marks.shape == (len(ROW_OUTPUTS), *hu.shape)
    np.testing.assert_allclose(marks[0], (hu - 150.0) / 300.0, atol=1e-4)  # mirrored there and back
