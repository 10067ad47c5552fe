"""`vertebra-stress run` against a gateway and a worker whose pipeline does what the "CT" says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import main
from app.commands.exit_codes import DONE, JOB_CANCELLED, JOB_FAILED, NOT_ENDED, REFUSED, WRONG_HERE
from app.commands.problem_text import problem_text


def submit(url: str, folder: Path, word: str, *more: str) -> int:
    for name in ("ct", "mask"):
        (folder / name).write_text(word)
    files = ["--ct", str(folder / "ct"), "--mask", str(folder / "mask"), "--out", str(folder / "out")]
    return main(["run", "--url", url, *files, *more])


def test_the_pictures_of_a_refusal_are_saved(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(url, tmp_path, "refuse") == JOB_FAILED
    printed = capsys.readouterr()
    assert "vertebra_not_found" in printed.err
    assert "candidate 1: 97% probable; to choose it send --seed 1.0 -20.0 300.5" in printed.err
    assert "body at (1.0, -20.0, 300.5): L1, 97%; ribs unknown, above the last vertebra" in printed.err
    names = ["candidate-1.png", "candidate-10.png", "candidate-2.png", "spine.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert all(f"/results/{name}" in printed.out for name in names)
    assert "report" not in printed.out


def test_a_failure_without_pictures_saves_nothing(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(url, tmp_path, "bad") == JOB_FAILED
    assert "bad_spacing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_results_of_each_level_are_saved_in_its_folder(url: str, tmp_path: Path) -> None:
    assert submit(url, tmp_path, "levels", "--vertebra", "T12", "L1", "L2") == 0
    out = tmp_path / "out"
    saved = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert saved == ["L1/report.json", "L2/report.json", "T12/candidate-1.png", "summary.json"]


def test_a_job_whose_levels_are_all_refused_names_each(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ct").write_text("levels")
    files = ["--ct", str(tmp_path / "ct"), "--mask", str(tmp_path / "ct"), "--out", str(tmp_path / "out")]
    assert main(["run", "--url", url, *files, "--vertebra", "all", "--results"]) == 0  # seven levels
    assert "L5/report.json" in capsys.readouterr().out


def test_other_members_of_a_problem_are_named() -> None:
    text = problem_text({"type": "/problems/label_absent", "title": "T", "detail": "D", "labels_present": [1, 2]})
    assert text.splitlines() == ["T (/problems/label_absent)", "  D", "  labels_present: [1, 2]"]


def test_one_document_for_a_program(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(url, tmp_path, "report", "--json") == DONE
    document = json.loads(capsys.readouterr().out)
    assert document["job"]["state"] == "succeeded"
    report = json.loads(Path(document["results"]["report.json"]).read_text())
    assert report["stress"]["overall"]["p99_mpa"] == 0.521

    assert submit(url, tmp_path, "refuse", "--json") == JOB_FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["type"] == "/problems/vertebra_not_found"
    assert document["error"]["alternatives"] == [{"centre_ras_mm": [1.0, -20.0, 300.5], "probability": 0.97}]
    assert document["job"]["state"] == "failed"


def test_a_job_that_takes_too_long_goes_on(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(url, tmp_path, "sleep 300", "--timeout", "0.2", "--json") == NOT_ENDED
    printed = capsys.readouterr()
    assert "has not ended after 0.2 s" in printed.err
    job_id = json.loads(printed.out)["job"]["id"]
    assert main(["cancel", "--url", url, job_id]) == DONE
    assert main(["status", "--url", url, "--wait", job_id]) == JOB_CANCELLED


def test_parameters_are_checked_before_a_file_is_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = "http://127.0.0.1:1"
    assert submit(nowhere, tmp_path, "ok", "--load", "-5") == REFUSED
    assert "load_newton" in capsys.readouterr().err
    assert submit("127.0.0.1:8000", tmp_path, "ok") == WRONG_HERE
    assert "Expected a URL such as https://host" in capsys.readouterr().err
