"""What a job predicts, solves, or both."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.params import JobParams
from tests.workers.fem.meshes import block_template
from workers import stress_stage
from workers.engine import Engine
from workers.fem.errors import NotConverged
from workers.stage_clock import StageClock
from workers.stress_stage import compute_stress


def test_a_job_may_ask_for_it(engine):
    clock = StageClock(lambda stage, percent: None)
    stress = compute_stress(engine.template.nodes, JobParams(surrogate="paper"), clock)
    assert stress.prediction is not None
    assert stress.prediction.surrogate == "paper"
    assert stress.prediction.equilibrium_residual is None
    assert stress.prediction.expected_nmae_percent > 0.1
    assert stress.field.principal.min() < 0.0


def test_both_with_the_papers(engine):
    points = engine.template.nodes * [1.0, 1.0, 0.9]
    clock = StageClock(lambda stage, percent: None)
    stress = compute_stress(points, JobParams(surrogate="paper", fidelity="both"), clock)
    assert list(clock.timings) == ["predict", "solve"]
    assert stress.fidelity == "surrogate"
    assert stress.agreement is not None
    assert stress.agreement.nmae_percent > 0.5  # far from the tangent's
    assert (np.diff(stress.field.principal, axis=1) <= 0).all()


def test_between_plates_it_is_solved_and_the_plates_bear_the_load(monkeypatch):
    """On a column of 343 nodes: the template takes ten seconds, and has the same stage."""

    class OfColumn(Engine):
        template = block_template(6)
        solver = None

    small = OfColumn()
    monkeypatch.setattr(stress_stage, "engine", lambda: small)
    params = JobParams(load_case="plates", load_newton=800.0)
    stress = compute_stress(small.template.nodes, params, StageClock(lambda stage, percent: None))
    assert stress.fidelity == "fe"
    assert "surrogate knows" in stress.warnings[0]
    assert stress.equilibrium is not None
    assert stress.equilibrium.relative_residual < 1e-6
    assert stress.equilibrium.reaction_ras_newton[2] == pytest.approx(800.0, rel=1e-5)
    assert np.ptp(stress.field.displacement[small.template.loaded_nodes], axis=0).max() < 1e-12


def test_a_surrogate_that_fails_leaves_the_job_to_the_solver(engine, monkeypatch):
    def fail(*_):
        raise NotConverged("no", expected="a", got="b")

    monkeypatch.setattr(engine.refined, "predict", fail)
    clock = StageClock(lambda stage, percent: None)
    stress = compute_stress(engine.template.nodes, JobParams(), clock)
    assert stress.fidelity == "fe"
    assert stress.prediction is None
    assert "did not converge" in stress.warnings[0]
