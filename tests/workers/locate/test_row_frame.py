"""The vertebra's frame, from the row of bodies."""

from __future__ import annotations

import numpy as np

from workers.locate.row_frame import row_frame


def unit(v) -> np.ndarray:
    return np.array(v) / np.linalg.norm(v)


def test_the_frame_runs_along_the_row():
    levels = ("T12", "L1", "L3", "L4", "L5")
    row = np.array([[0.0, 10.0, 300.0], [0.0, 0.0, 265.0], [0.0, 0.0, 195.0], [3.0, 0.0, 160.0], [6.0, 0.0, 125.0]])

    def up(level: str) -> np.ndarray:
        return row_frame(row, row[levels.index(level)] + 1.0)[:, 2]

    np.testing.assert_allclose(up("T12"), unit([0.0, 10.0, 35.0]))
    np.testing.assert_allclose(up("L1"), unit([0.0, 10.0, 35.0]))  # L2 was missed: the one above alone says how it lies
    np.testing.assert_allclose(up("L4"), unit([-6.0, 0.0, 70.0]))


def test_without_a_neighbour_the_frame_is_the_worlds():
    np.testing.assert_allclose(row_frame(np.zeros((0, 3)), np.zeros(3)), np.eye(3))
    np.testing.assert_allclose(row_frame(np.ones((1, 3)), np.ones(3)), np.eye(3))
