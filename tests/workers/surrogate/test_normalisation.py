"""Pose, size and load."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.surrogate.normalisation import normalising_pose, stress_factor


def test_normalising_pose(engine):
    template = engine.template
    turn = Rotation.from_rotvec([0.4, -1.1, 2.0]).as_matrix()
    pose = normalising_pose(0.8 * template.nodes @ turn.T + [3.0, 4.0, 5.0], template)
    assert pose.scale == pytest.approx(0.8)
    np.testing.assert_allclose(pose.rotation, turn, atol=1e-9)
    np.testing.assert_allclose(pose.translation, [3.0, 4.0, 5.0], atol=1e-9)


def test_stress_is_proportional_to_the_load_and_falls_with_the_square_of_the_size(engine):
    pose = normalising_pose(2.0 * engine.template.nodes, engine.template)
    assert stress_factor(pose, 3.0 * REFERENCE_LOAD_NEWTON) == pytest.approx(0.75)
