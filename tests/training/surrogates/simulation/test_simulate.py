"""The bookkeeping of a long simulation: killed and resumed, failures counted; the mathematics is tested elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("joblib", reason="joblib is not installed")

from training.surrogates.simulation import simulate as module
from training.surrogates.simulation.samples import read_samples, sample_path, write_sample


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A simulation of ten shapes in this process; shape 3 cannot be meshed, `stop_at` kills the run."""
    started: list[int] = []

    def go(count=10, stop_at=None):
        def one(inputs, index):
            started.append(index)
            if index == stop_at:
                raise KeyboardInterrupt
            if index == 3:
                return "MeshQualityError: folded"
            write_sample(sample_path(inputs.work, index), np.zeros((5, 3)), np.full((5, 6), index), "p", "variant")
            return None

        monkeypatch.setattr(module, "_simulate_one", one)
        monkeypatch.setattr(module, "register", lambda *a, **k: [])
        monkeypatch.setattr(module, "find_geodesics", lambda *a, **k: {})
        return module.simulate_population(module.PopulationInputs((), Path(), tmp_path), count, 1, "threading")

    go.started, go.work = started, tmp_path  # type: ignore[attr-defined]
    return go


def test_failures_are_counted_and_listed(run):
    done, failures = run()
    assert done == 9
    assert failures == {3: "MeshQualityError: folded"}
    assert json.loads((run.work / "failures.jsonl").read_text()) == {"index": 3, "reason": "MeshQualityError: folded"}


def test_a_killed_run_goes_on(run):
    with pytest.raises(KeyboardInterrupt):
        run(stop_at=6)
    assert len(list((run.work / "samples").glob("*.npz"))) == 5
    run.started.clear()
    done, failures = run()
    assert run.started == [6, 7, 8, 9]  # neither what is there nor what failed is tried again
    assert (done, len(failures)) == (9, 1)


def test_a_wider_population_keeps_what_is_there(run):
    run(count=5)
    run.started.clear()
    assert run(count=8)[0] == 7
    assert run.started == [5, 6, 7]


def test_half_written_files_are_not_samples(run):
    run(count=2)
    (run.work / "samples" / "00007.part").write_bytes(b"half")
    samples = list(read_samples(run.work / "samples"))
    assert [s.name for s in samples] == ["00000", "00001"]
    assert samples[1].tensor.dtype == np.float32
    assert (samples[1].tensor == 1).all()
    assert (samples[1].person, samples[1].kind) == ("p", "variant")
