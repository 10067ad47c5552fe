"""The engine tells the client what the solver reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.contract.errors import SolveFailed
from app.contract.params import JobParams
from models.bundle import DEFAULT_BUNDLE, BundleError
from workers.engine import engine as one_engine
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


def test_where_the_two_level_solver_fails_full_multigrid_solves(engine, monkeypatch):
    def fail(*_, **__):
        raise NotConverged("no", expected="a", got="b")

    quick = engine.solve(engine.template.nodes, REFERENCE_LOAD_NEWTON)[0]
    monkeypatch.setattr(engine.solver, "solve_each", fail)
    full = engine.solve(engine.template.nodes, REFERENCE_LOAD_NEWTON)[0]
    assert full.energy_error == 0.0
    assert full.iterations > quick.iterations
    np.testing.assert_allclose(full.field.von_mises, quick.field.von_mises, atol=1e-4)


@pytest.mark.parametrize("surrogate", ["refined", "tangent", "paper"])
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
        engine.estimate_error(engine.template.nodes, predicted, JobParams(surrogate="tangent"))


def test_the_setting_says_which_bundle_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEBRA_MODELS_DIR", str(tmp_path))
    with pytest.raises(BundleError, match="no model bundle"):
        one_engine.__wrapped__()
    folder = tmp_path / "l1"
    folder.mkdir()
    for path in DEFAULT_BUNDLE.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "manifest.json").unlink()
    manifest = json.loads((DEFAULT_BUNDLE / "manifest.json").read_text()) | {"version": "of-another-day"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    loaded = one_engine.__wrapped__()
    assert (loaded.bundle.folder, loaded.bundle.version) == (folder, "of-another-day")
    assert len(loaded.template.nodes) > 0
    monkeypatch.delenv("VERTEBRA_MODELS_DIR")
    assert one_engine.__wrapped__().bundle.folder == DEFAULT_BUNDLE
