"""Geodesics reach the subject, and stop where they are told to on the way."""

from __future__ import annotations

import numpy as np
import pytest

from models.shape_model import ShapeModel

pytest.importorskip("torch", reason="torch is not installed (make training)")

from training.shapes.lddmm import shoot


def test_geodesics_reach_their_goal_and_stop_on_the_way():
    random = np.random.default_rng(0)
    start = random.uniform(-25, 25, (1500, 3))
    model = ShapeModel.from_landmarks(start[:400], 40)
    goal = start + 0.8 * model.basis(start) @ random.standard_normal((40, 3)).astype(np.float32)
    path = shoot(start, goal, 1000, iterations=30)
    before = np.linalg.norm(goal - start, axis=1).mean()
    assert path.error_mm < 0.15 * before
    half, end = path.carry(start, [0.5, 1.0])
    assert np.linalg.norm(end - goal, axis=1).mean() < 0.25 * before  # internal points are carried along
    middle = np.linalg.norm(half - start, axis=1).mean() / np.linalg.norm(end - start, axis=1).mean()
    assert 0.4 < middle < 0.6
