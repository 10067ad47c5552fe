"""The shipped paper chain: its files load, it says something sensible, and the job can choose it."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.params import JobParams
from workers.fem.errors import NotConverged
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.pipeline import _Clock, stress_field


@pytest.fixture(scope="module")
def field(engine):
    return engine.paper.predict(engine.template.nodes, REFERENCE_LOAD_NEWTON)


def test_on_the_template(engine, field):
    """At the mean shape the chain must be near the solution, since the mean field is."""
    solved = engine.solve(engine.template.nodes, REFERENCE_LOAD_NEWTON)[0].field
    error = np.abs(field.von_mises - solved.von_mises).mean()
    assert error < 0.03 * solved.von_mises.max()
    assert field.tensor is None
    assert field.displacement is None
    assert field.principal.shape == solved.principal.shape
    assert (field.principal[:, 0].mean() > field.principal[:, 2].mean()).all()


def test_load_and_size_are_exact(engine, field):
    twice = engine.paper.predict(2.0 * engine.template.nodes + 5.0, 1000.0)
    np.testing.assert_allclose(twice.von_mises, 0.5 * field.von_mises, atol=1e-4)


def test_it_follows_the_shape(engine, field):
    points = engine.template.nodes * [1.0, 1.0, 0.75]
    other = engine.paper.predict(points, REFERENCE_LOAD_NEWTON)
    assert np.abs(other.von_mises - field.von_mises).mean() > 1e-3


def test_a_job_may_ask_for_it(engine):
    clock = _Clock(lambda stage, percent: None)
    stress = stress_field(engine.template.nodes, JobParams(surrogate="paper"), clock)
    assert stress.prediction is not None
    assert stress.prediction.surrogate == "paper"
    assert stress.prediction.equilibrium_residual is None
    assert stress.prediction.expected_nmae_percent > 0.1
    assert stress.field.principal.min() < 0.0


def test_both_with_the_papers(engine):
    points = engine.template.nodes * [1.0, 1.0, 0.9]
    clock = _Clock(lambda stage, percent: None)
    stress = stress_field(points, JobParams(surrogate="paper", fidelity="both"), clock)
    assert list(clock.timings) == ["predict", "solve"]
    assert stress.fidelity == "surrogate"
    assert stress.agreement is not None
    assert stress.agreement.nmae_percent > 0.5  # far from the tangent's
    assert (np.diff(stress.field.principal, axis=1) <= 0).all()


def test_a_surrogate_that_fails_leaves_the_job_to_the_solver(engine, monkeypatch):
    def fail(*_):
        raise NotConverged("no", expected="a", got="b")

    monkeypatch.setattr(engine.tangent, "predict", fail)
    clock = _Clock(lambda stage, percent: None)
    stress = stress_field(engine.template.nodes, JobParams(), clock)
    assert stress.fidelity == "fe"
    assert stress.prediction is None
    assert "did not converge" in stress.warnings[0]
