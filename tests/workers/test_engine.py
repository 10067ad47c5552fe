"""The engine tells the client what the solver reports."""

from __future__ import annotations

import pytest

from app.contract.errors import SolveFailed
from app.contract.params import JobParams
from workers.fem.errors import DistortedMesh, NotConverged
from workers.fem.loads import REFERENCE_LOAD_NEWTON


def test_a_distorted_mesh_fails_the_job_with_the_solvers_own_words(engine):
    points = engine.template.nodes * [1.0, 1.0, -1.0]
    with pytest.raises(SolveFailed) as caught:
        engine.solve(points, REFERENCE_LOAD_NEWTON)
    cause = caught.value.__cause__
    assert isinstance(cause, DistortedMesh)
    assert (caught.value.detail, caught.value.expected, caught.value.got) == (cause.detail, cause.expected, cause.got)
    assert cause.got == f"{len(engine.template.tets)} elements with volume <= 0"


@pytest.mark.parametrize("surrogate", ["tangent", "paper"])
def test_a_surrogate_that_does_not_converge_is_a_failed_solve(engine, monkeypatch, surrogate):
    def fail(*_):
        raise NotConverged("no", expected="a", got="b")

    monkeypatch.setattr(getattr(engine, surrogate), "predict", fail)
    with pytest.raises(SolveFailed) as caught:
        engine.predict(engine.template.nodes, REFERENCE_LOAD_NEWTON, surrogate)
    assert (caught.value.detail, caught.value.expected, caught.value.got) == ("no", "a", "b")


def test_an_error_estimate_that_does_not_converge_is_a_failed_solve(engine, monkeypatch):
    def fail(_):
        raise NotConverged("no", expected="a", got="b")

    predicted = engine.predict(engine.template.nodes, REFERENCE_LOAD_NEWTON, "tangent")
    monkeypatch.setattr(engine.tangent, "coefficients", fail)
    with pytest.raises(SolveFailed):
        engine.estimate_error(engine.template.nodes, predicted, JobParams())
