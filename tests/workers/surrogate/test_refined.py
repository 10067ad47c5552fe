"""The refined surrogate: its bound against the converged solution, and exact symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from training.shapes.sources import SOURCES, read_surface
from workers.fem.errors import DistortedMesh
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.fem.solve import solve
from workers.fem.stress import rotate_tensors
from workers.results.agreement import agreement
from workers.surrogate.refined import MEAN_OVER_ENERGY, mean_error_percent


@pytest.mark.parametrize(
    ("name", "cycles"),
    [("totalsegmentator_L1", 8), ("verse010_L1", 10), ("verse004_L1", 14)],  # the last two are compressed
)
def test_the_bound_holds_on_real_vertebrae_and_is_near_the_error(engine, data_dir, name, cycles):
    source = next(source for source in SOURCES if source.name == name)
    points = engine.morpher.morph(*read_surface(source, data_dir)).points
    got = engine.refined.predict(points, REFERENCE_LOAD_NEWTON)
    converged = solve(points, engine.plan, engine.solve(points, REFERENCE_LOAD_NEWTON)[1]).field
    found = agreement(points, got.field, converged)
    assert found.nmae_percent <= got.bound_percent <= 5.0 * found.nmae_percent
    assert got.bound_percent <= 0.06
    assert abs(found.peak_error_percent) <= 0.5
    assert found.peak_distance_mm <= 0.5
    assert 2 <= got.cycles <= cycles
    tangent = agreement(points, engine.tangent.predict(points, REFERENCE_LOAD_NEWTON), converged)
    assert got.change_percent == pytest.approx(tangent.nmae_percent, abs=got.bound_percent)
    scale = np.abs(converged.displacement).max()
    np.testing.assert_allclose(got.field.displacement, converged.displacement, atol=0.02 * scale)


def test_the_template_needs_no_cycle(engine):
    got = engine.refined.predict(engine.template.nodes, REFERENCE_LOAD_NEWTON)
    assert got.cycles == 0
    assert got.change_percent < 0.05


def test_pose_size_and_load_are_exact(engine):
    points = engine.template.nodes * [1.0, 1.05, 0.9]
    turn = Rotation.from_rotvec([0.4, -1.1, 2.0]).as_matrix()
    plain = engine.refined.predict(points, REFERENCE_LOAD_NEWTON)
    moved = engine.refined.predict(1.3 * points @ turn.T + [100.0, -50.0, 700.0], 1200.0)
    load = 1200.0 / REFERENCE_LOAD_NEWTON
    peak, moves = plain.field.von_mises.max(), np.abs(plain.field.displacement).max()
    assert moved.bound_percent == pytest.approx(plain.bound_percent, rel=0.05)
    np.testing.assert_allclose(moved.field.von_mises, load / 1.3**2 * plain.field.von_mises, atol=1e-4 * peak)
    turned = rotate_tensors(plain.field.tensor, turn)
    np.testing.assert_allclose(moved.field.tensor, load / 1.3**2 * turned, atol=1e-4 * peak)
    expected = load / 1.3 * plain.field.displacement @ turn.T
    np.testing.assert_allclose(moved.field.displacement, expected, atol=1e-3 * moves)


def test_an_inverted_mesh_is_refused(engine):
    points = engine.template.nodes.copy()
    points[-1] += 20.0
    with pytest.raises(DistortedMesh):
        engine.refined.predict(points, REFERENCE_LOAD_NEWTON)


def test_the_mean_error_follows_from_the_energy():
    assert mean_error_percent(0.01, np.array([1.0, 1.0])) == pytest.approx(MEAN_OVER_ENERGY)
    assert mean_error_percent(0.01, np.array([0.6, 0.8, 1.0])) < MEAN_OVER_ENERGY
