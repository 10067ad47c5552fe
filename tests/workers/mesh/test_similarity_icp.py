"""Which start poses go on: one that faces another way, where it may still win, and never the same one twice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from workers.geometry.similarity import Similarity
from workers.mesh.similarity_icp import MAY_WIN, _facing_apart, _finalists


def end(distance: float, degrees: float) -> tuple[float, Similarity]:
    turn = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    return distance, Similarity(1.0, turn, np.zeros(3))


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([(3.1, 5.0), (3.2, 178.0)], [0, 2]),  # the second is the first pose again
        ([(3.1, 5.0), (3.0 * MAY_WIN + 0.1, 178.0)], [0]),  # too far to win
        ([(3.1, 90.0), (3.2, 178.0)], [0, 1]),
        ([(3.1, 5.0)], [0]),
    ],
)
def test_the_closest_pose_goes_on_and_one_that_faces_another_way(others, chosen):
    ends = [end(3.0, 0.0), *(end(*other) for other in others)]
    assert [ends.index(one) for one in _finalists(ends)] == chosen


def test_poses_of_a_wide_search_go_on_once_each():
    """The closest of those that face one way; a pose between two others goes with the closer."""
    ends = [end(3.0, 0.0), end(3.1, 20.0), end(3.2, 90.0), end(3.3, 60.0), end(3.4, 180.0)]
    assert [ends.index(one) for one in _facing_apart(ends)] == [0, 2, 4]
