"""Two views of one vertebra: their Dice and the undecided share within the column of the body."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from workers.imaging.frame import frame_of
from workers.imaging.volume import Volume
from workers.outline.views import COLUMN_MM, compare_views

CENTRE = np.array([5.0, -3.0, 40.0])
UP = np.array([0.0, 0.0, 1.0])


def cylinder(turn: np.ndarray, shape: tuple[int, int, int], height: float, sharp: float = 0.2) -> Volume:
    """A body of 15 mm radius, `height` mm high, as a probability on voxels of 1 mm about the centre."""
    affine = np.eye(4)
    affine[:3, :3] = turn
    affine[:3, 3] = CENTRE - turn @ (np.array(shape) / 2.0)
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3] - CENTRE
    inside = np.minimum(15.0 - np.hypot(points[..., 0], points[..., 1]), height / 2.0 - np.abs(points[..., 2]))
    return Volume(expit(inside / sharp).astype(np.float32), affine)


def test_views_of_the_same_body_agree_and_of_a_taller_one_do_not():
    first = cylinder(np.eye(3), (90, 90, 90), 28.0)
    turned = frame_of(np.array([0.0, 0.2, 1.0]))
    same = compare_views(first, cylinder(turned, (70, 70, 60), 28.0), CENTRE, UP)
    assert same.dice > 0.98
    taller = compare_views(first, cylinder(turned, (70, 70, 60), 36.0), CENTRE, UP)
    assert taller.dice == pytest.approx(2.0 * 28.0 / (28.0 + 36.0), abs=0.02)


def test_what_lies_beside_the_body_does_not_count():
    first, second = cylinder(np.eye(3), (90, 90, 90), 28.0), cylinder(np.eye(3), (70, 70, 60), 28.0)
    expected = compare_views(first, second, CENTRE, UP)
    x, y = np.ogrid[:90, :90]
    first.voxels[np.hypot(x - 45.0, y - 45.0) > COLUMN_MM + 2.0] = 0.5
    assert compare_views(first, second, CENTRE, UP) == expected


def test_the_undecided_share_is_that_of_the_blurred_surface():
    second = cylinder(np.eye(3), (70, 70, 60), 28.0)
    sharp = compare_views(cylinder(np.eye(3), (90, 90, 90), 28.0, 0.05), second, CENTRE, UP)
    blurred = compare_views(cylinder(np.eye(3), (90, 90, 90), 28.0, 0.5), second, CENTRE, UP)
    assert sharp.unsure < 0.12  # the voxels on the surface
    zone = 2.0 * 0.5 * np.log(9.0)  # mm between a probability of 0.1 and 0.9
    area, volume = 2.0 * np.pi * 15.0 * (15.0 + 28.0), np.pi * 15.0**2 * 28.0
    assert blurred.unsure == pytest.approx(zone * area / volume, rel=0.1)
    nothing = Volume(np.zeros((70, 70, 60), np.float32), second.affine)
    assert compare_views(nothing, nothing, CENTRE, UP).dice == 0.0
