"""The tangent surrogate: exact symmetries, first order at the template, and real vertebrae against finite elements."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.bundle import DEFAULT_BUNDLE
from training.shapes.sources import SOURCES, read_surface
from training.surrogates.evaluation.metrics import score_field
from training.surrogates.tangent.shape_derivative import SolvedMesh
from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.fem.stress import rotate_tensors, von_mises
from workers.surrogate.normalisation import normalising_pose


def smooth_direction(points):
    x, y, z = (points / 25.0).T
    return np.stack([np.sin(y + z), 0.5 * np.cos(x) - 0.3 * z, np.sin(x * y) + 0.4 * z**2], axis=1)


@pytest.fixture(scope="module")
def anchor(engine: Engine):
    return SolvedMesh(engine.template.nodes, engine.template, engine.plan)


def test_at_the_template_it_is_the_solution(engine, anchor):
    tensor = engine.tangent.tensor(engine.template.nodes)
    np.testing.assert_allclose(tensor, anchor.tensor, atol=2e-3 * np.abs(anchor.tensor).max())


def test_near_the_template_it_is_right_to_first_order(engine, anchor):
    """Its derivative along a smooth direction is the exact one; what is missing was cut off by the reduction."""
    x0 = engine.template.nodes
    d = smooth_direction(x0)
    _, exact = anchor.derivative(d)
    h = 0.2
    ours = (engine.tangent.tensor(x0 + h * d) - engine.tangent.tensor(x0 - h * d)) / (2 * h)
    assert np.linalg.norm(ours - exact) < 0.12 * np.linalg.norm(exact)


def test_pose_size_and_load_are_exact(engine):
    template = engine.template
    points = template.nodes + 1.5 * smooth_direction(template.nodes)
    turn = Rotation.from_rotvec([0.4, -1.1, 2.0]).as_matrix()
    plain = engine.tangent.predict(points, REFERENCE_LOAD_NEWTON)
    moved = engine.tangent.predict(1.3 * points @ turn.T + [100.0, -50.0, 700.0], 1200.0)
    factor = 1200.0 / REFERENCE_LOAD_NEWTON / 1.3**2
    peak = plain.von_mises.max()
    np.testing.assert_allclose(moved.von_mises, factor * plain.von_mises, atol=1e-3 * peak)
    np.testing.assert_allclose(moved.tensor, factor * rotate_tensors(plain.tensor, turn), atol=1e-3 * peak)
    np.testing.assert_allclose(moved.principal, factor * plain.principal, atol=1e-3 * peak)


def test_invariants_are_those_of_the_tensor(engine):
    points = engine.template.nodes + smooth_direction(engine.template.nodes)
    field = engine.tangent.predict(points, REFERENCE_LOAD_NEWTON)
    np.testing.assert_allclose(field.von_mises, von_mises(field.tensor), atol=1e-9)
    s1, s2, s3 = field.principal.T
    equivalent = np.sqrt(0.5 * ((s1 - s2) ** 2 + (s2 - s3) ** 2 + (s3 - s1) ** 2))
    np.testing.assert_allclose(field.von_mises, equivalent, atol=1e-6)
    assert field.displacement is None


@pytest.mark.parametrize(
    ("name", "r2", "nmae", "peak"),
    [("verse005_L1", 0.998, 0.5, 3.0), ("tptbox_L3", 0.997, 0.7, 10.0), ("verse010_L1", 0.97, 1.5, 30.0)],
)
def test_real_vertebrae_against_finite_elements(engine, data_dir, name, r2, nmae, peak):
    source = next(source for source in SOURCES if source.name == name)
    points = engine.morpher.morph(*read_surface(source, data_dir)).points
    solved = engine.solve(points, REFERENCE_LOAD_NEWTON)[0].field.von_mises
    predicted = engine.tangent.predict(points, REFERENCE_LOAD_NEWTON).von_mises
    pose = normalising_pose(points, engine.template)
    mean = von_mises(engine.bundle.tangent.tensor.astype(np.float64)) / pose.scale**2
    s = score_field(solved, predicted, mean, points)
    assert s.r2 >= r2
    assert s.nmae <= nmae
    assert s.peak_error <= peak
    assert s.skill >= 0.85


def test_the_model_is_small():
    assert (DEFAULT_BUNDLE / "tangent.npz").stat().st_size < 20e6
