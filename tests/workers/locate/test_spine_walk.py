"""The walk_spine along the spine: from any start to all bodies, each once."""

from __future__ import annotations

import numpy as np
import pytest

from workers.locate.spine_axis import BEYOND_MM, FOLLOWED_MM, GROWN_VOXELS, LEAST_MARK, SpineAxis, trace_spine_axis
from workers.locate.spine_walk import OFF_AXIS_MM, walk_spine

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
PITCH = 34.0


def centres(count: int = 6) -> np.ndarray:
    """From bottom to top, along a curve."""
    z = 60.0 + PITCH * np.arange(count)
    return np.column_stack([80.0 + 6.0 * np.sin(z / 60.0), 90.0 + 14.0 * np.cos(z / 80.0), z])


def marked(sd_mm: float, count: int = 6) -> np.ndarray:
    points = np.moveaxis(np.indices((40, 44, 90)), 0, -1) * 4.0
    return np.max([np.exp(-np.square(points - c).sum(-1) / (2.0 * sd_mm**2)) for c in centres(count)], axis=0)


def axis() -> SpineAxis:
    found = trace_spine_axis(marked(9.0).astype(np.float32), AFFINE)
    assert found is not None
    return found


@pytest.mark.parametrize("sd", [6.0, 9.0, 14.0])
def test_the_axis_runs_through_the_bodies(sd):
    found = trace_spine_axis(marked(sd).astype(np.float32), AFFINE)
    assert found is not None
    assert (np.diff(found.points[:, 2]) > 0.0).all()
    for centre in centres():
        at = [np.interp(centre[2], found.points[:, 2], found.points[:, a]) for a in range(2)]
        np.testing.assert_allclose(at, centre[:2], atol=3.0)


def test_marks_far_from_the_spine_do_not_count():
    mark = marked(9.0).astype(np.float32)
    mark[2:5, 2:5, 10:60] = 0.9
    found = trace_spine_axis(mark, AFFINE)
    assert found is not None
    assert np.abs(found.points[:, 0] - 80.0).max() < 12.0
    assert trace_spine_axis(np.full((20, 20, 20), 0.9 * LEAST_MARK, np.float32), AFFINE) is None
    assert GROWN_VOXELS * 4.0 * 2.0 < PITCH + 10.0


def test_a_distance_along_the_axis():
    straight = SpineAxis(np.column_stack([np.zeros(21), np.zeros(21), 10.0 * np.arange(21)]))
    np.testing.assert_allclose(straight.along(np.array([0.0, 0.0, 50.0]), 34.0), [0.0, 0.0, 84.0])
    np.testing.assert_allclose(straight.along(np.array([3.0, -2.0, 50.0]), -25.0), [3.0, -2.0, 25.0])
    assert straight.along(np.array([0.0, 0.0, 190.0]), 11.0 + BEYOND_MM) is None
    assert straight.along(np.array([0.0, 0.0, 10.0]), -11.0 - BEYOND_MM) is None


def test_the_axis_goes_on_straight_beyond_its_ends():
    leaning = SpineAxis(np.column_stack([np.zeros(21), 3.0 * np.arange(21), 4.0 * np.arange(21)]))
    np.testing.assert_allclose(leaning.along(leaning.points[20], 15.0), [0.0, 69.0, 92.0])
    np.testing.assert_allclose(leaning.along(leaning.points[1], -20.0), [0.0, -9.0, -12.0], atol=1e-9)


def test_a_last_body_that_is_not_marked_is_found():
    short = SpineAxis(axis().points[axis().points[:, 2] > centres()[0][2] + 14.0])
    look, _ = body_finder(centres())
    np.testing.assert_allclose(walk_spine(short, centres()[2], "L2", look, above=6, below=6), centres()[::-1])


def test_a_guess_follows_a_body_beside_the_axis_only_so_far():
    straight = SpineAxis(np.column_stack([np.zeros(21), np.zeros(21), 10.0 * np.arange(21)]))
    np.testing.assert_allclose(straight.along(np.array([0.0, -18.0, 50.0]), 34.0), [0.0, -FOLLOWED_MM, 84.0])
    assert straight.distance_beside(np.array([3.0, -4.0, 52.0])) == pytest.approx(5.0)


def body_finder(there: np.ndarray, reach: float = 17.0):
    calls: list[np.ndarray] = []

    def look(point: np.ndarray) -> np.ndarray | None:
        calls.append(point)
        away = np.linalg.norm(there - point, axis=1)
        return there[away.argmin()] if away.min() < reach else None

    return look, calls


@pytest.mark.parametrize("start", range(6))
def test_every_body_is_found_once_from_any_of_them(start):
    look, calls = body_finder(centres())
    row = walk_spine(axis(), centres()[start] + [2.0, -3.0, 9.0], "L2", look, above=6, below=6)
    np.testing.assert_allclose(row, centres()[::-1])
    assert len(calls) <= 6 + 2 + 8  # one each, the first from both sides, and some beyond both ends


def test_a_crushed_body_between_two_is_not_jumped_over():
    """Its neighbours are nearer than usual, so the first guess lands nearer to the one beyond."""
    low = centres()
    there = np.array([low[0], low[1], low[1] + [0.0, 0.0, 22.0], low[1] + [0.0, 0.0, 44.0]])
    look, _ = body_finder(there)
    for start in there:
        np.testing.assert_allclose(walk_spine(axis(), start, "L1", look, above=6, below=6), there[::-1])


def test_two_bodies_taken_for_one_are_no_start():
    """From half-way between two a segmenter may see both, and the middle of them as the centre."""
    there = centres()
    middle = 0.5 * (there[2] + there[3])

    def look(point: np.ndarray) -> np.ndarray:
        return middle if np.linalg.norm(point - middle) < 4.0 else there[np.linalg.norm(there - point, axis=1).argmin()]

    assert walk_spine(axis(), middle + np.array([0.0, 0.0, 1.0]), "L2", look, above=6, below=6) == []
    np.testing.assert_allclose(walk_spine(axis(), there[2], "L2", look, above=1, below=0), there[3:1:-1])


def test_spinous_processes_are_no_bodies():
    look, _ = body_finder(centres() - [0.0, OFF_AXIS_MM + 8.0, 0.0], reach=60.0)
    assert walk_spine(axis(), centres()[2], "L2", look, above=6, below=6) == []


def test_it_goes_no_further_than_it_is_asked():
    look, _ = body_finder(centres())
    row = walk_spine(axis(), centres()[3], "L2", look, above=1, below=2)
    np.testing.assert_allclose(row, centres()[4:0:-1])


def test_a_body_that_pulls_back_ends_the_row_instead_of_counting_twice():
    """Beyond the last body the segmenter goes back to it."""
    look, _ = body_finder(centres(), reach=60.0)
    row = walk_spine(axis(), centres()[2], "L2", look, above=6, below=6)
    np.testing.assert_allclose(row, centres()[::-1])


def test_no_body_no_row():
    assert walk_spine(axis(), centres()[0], "L2", lambda _: None, 3, 3) == []
