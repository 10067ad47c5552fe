"""What the command line says becomes the parameters of a job."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from app.commands.job_arguments import CommandError, add_job_arguments, params_of, submission_of
from app.contract.moments import Moments
from app.contract.params import JobParams

EVERY = {
    "vertebra": (["L1", "L2"], ["L1", "L2"]),
    "mask_label": (["31"], 31),
    "mask_convention": (["verse"], "verse"),
    "series_uid": (["0123456789abcdef"], "0123456789abcdef"),
    "seed_ras_mm": (["1", "-2.5", "3"], [1.0, -2.5, 3.0]),
    "load_newton": (["750"], 750.0),
    "body_weight_kg": (["70"], 70.0),
    "moments": (['{"flexion": 3000, "lateral": -500}'], Moments(flexion=3000.0, lateral=-500.0)),
    "load_case": (["plates"], "plates"),
    "fidelity": (["both"], "both"),
    "surrogate": (["tangent"], "tangent"),
    "material": (["density"], "density"),
    "strength": (["nonlinear"], "nonlinear"),
    "density_law": (["morgan_2003"], "morgan_2003"),
    "on_out_of_distribution": (["fe"], "fe"),
    "on_uncertain_level": (["flag"], "flag"),
    "on_uncertain_outline": (["refuse"], "refuse"),
    "deadline_s": (["60"], 60),
    "results": (["stress.vtu"], ["stress.vtu"]),
    "store_to": (["pacs"], "pacs"),
}
"""Parameter to words after its argument, and value."""
ARGUMENTS = {"mask_label": "label", "mask_convention": "convention", "series_uid": "series", "seed_ras_mm": "seed",
             "load_newton": "load", "deadline_s": "deadline"}  # fmt: skip


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_job_arguments(parser, needs_ct=False)
    return parser.parse_args(words)


@pytest.mark.parametrize("name", EVERY)
def test_each_parameter_has_an_argument(name: str) -> None:
    words, value = EVERY[name]
    needed = {
        "material": ("--calibration", '{"kind": "none"}'),
        "strength": ("--material", "density", "--calibration", '{"kind": "none"}'),
    }.get(name, ())
    params = params_of(parsed("--" + ARGUMENTS.get(name, name).replace("_", "-"), *words, *needed))
    assert getattr(params, name) == value
    assert name in params.model_fields_set


def test_no_parameter_is_forgotten() -> None:
    assert set(JobParams.model_fields) == {*EVERY, "calibration"}
    assert params_of(parsed()).model_fields_set == set()  # the service chooses


def test_labels_and_folders(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no file"):
        submission_of(parsed("--ct", str(tmp_path)))
    (tmp_path / "slice").touch()
    submission = submission_of(parsed("--ct", str(tmp_path), "--job-label", "study=spine", "--job-label", "arm=a=b"))
    assert submission.labels == {"study": "spine", "arm": "a=b"}
    for wrong in ("study", "=x", "study="):
        with pytest.raises(SystemExit):
            parsed("--job-label", wrong)
