"""`vertebra-stress batch`: a folder of CTs, a CSV file, and runs that go on where one ended."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.commands.batch_cases import COLUMNS
from app.commands.exit_codes import DONE, JOB_FAILED, WRONG_HERE
from vertebra_client import Client

Run = Callable[..., int]


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    """Run the CTs of a folder."""

    def run(*more: str) -> int:
        table = ("--csv", str(tmp_path / "out.csv"), "--masks", str(tmp_path / "cts" / "masks"))
        return main(["batch", str(tmp_path / "cts"), "--url", url, *table, *more])

    return run


def put(folder: Path, **words: str) -> None:
    """Write CTs, which say what the worker does, and their masks."""
    (folder / "cts" / "masks").mkdir(parents=True, exist_ok=True)
    for name, word in words.items():
        (folder / "cts" / f"{name}.nii.gz").write_text(word)
        (folder / "cts" / "masks" / f"{name}.nii.gz").write_text(f"mask of {name} in {folder}")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def number_of_jobs(url: str) -> int:
    with Client(url) as client:
        return len(list(client.jobs()))


def test_a_rerun_sends_only_what_is_not_done(url: str, run: Run, tmp_path: Path) -> None:
    put(tmp_path, a="report", b="refuse", c="report")
    before = number_of_jobs(url)
    assert run("--out", str(tmp_path / "results")) == JOB_FAILED
    first = rows(tmp_path)
    assert [(row["file"], row["state"]) for row in first] == [
        ("a.nii.gz", "done"), ("b.nii.gz", "refused"), ("c.nii.gz", "done"),
    ]  # fmt: skip
    assert list(first[0]) == list(COLUMNS)
    numbers = {name: first[0][name] for name in ("level", "p99_mpa", "body_p99_mpa", "peak_off_endplates_mpa")}
    assert numbers == {"level": "L1", "p99_mpa": "0.521", "body_p99_mpa": "0.544", "peak_off_endplates_mpa": "0.733"}
    assert (first[0]["peak_mpa"], first[0]["expected_error_percent"], first[0]["volume_mm3"]) == (
        "1.25",
        "1.6",
        "40000",
    )
    assert (first[0]["level_verified"], first[1]["problem"]) == ("true", "vertebra_not_found")
    assert f"vertebra-stress retry {first[1]['job']} --seed 1.0 -20.0 300.5" in first[1]["next"]
    assert json.loads((tmp_path / "results" / "a" / "report.json").read_text())["vertebra"] == "L1"
    assert len(list((tmp_path / "results" / "b").iterdir())) == 4
    assert number_of_jobs(url) == before + 3

    assert run("--out", str(tmp_path / "results")) == JOB_FAILED  # nothing is sent again
    assert rows(tmp_path) == first
    assert number_of_jobs(url) == before + 3

    put(tmp_path, c="report again", d="report")  # one CT is another now, one is new
    assert run("--again") == JOB_FAILED
    assert number_of_jobs(url) == before + 6
    again = {row["file"][0]: row for row in rows(tmp_path)}
    assert again["a"] == first[0]
    assert again["b"]["job"] != first[1]["job"]
    with Client(url) as client:
        assert client.job(again["b"]["job"]).retry_of == first[1]["job"]  # no upload
    assert [again[name]["state"] for name in "abcd"] == ["done", "refused", "done", "done"]


def test_a_run_that_was_killed_goes_on(url: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, a="report", b="report")
    before = number_of_jobs(url)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Client, "wait", killed)
        run()
        assert [row["state"] for row in rows(tmp_path)] == ["sent", "sent"]
    (tmp_path / "out.csv").unlink()  # even so: the same files and parameters make the same job
    assert run() == DONE
    assert number_of_jobs(url) == before + 2


def test_results_that_are_gone_are_made_again(url: str, run: Run, tmp_path: Path) -> None:
    put(tmp_path, a="report")
    assert run() == DONE
    (row,) = rows(tmp_path)
    with Client(url) as client:
        client.delete(row["job"])
    assert run() == DONE  # the CSV file has what is asked for
    assert rows(tmp_path) == [row]
    assert run("--out", str(tmp_path / "results")) == DONE  # the files are asked for, and the job is gone
    assert rows(tmp_path)[0]["job"] != row["job"]
    assert (tmp_path / "results" / "a" / "report.json").is_file()


def test_each_level_has_a_row(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, a="report")
    assert run("--vertebra", "L1", "L2", "L3", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["states"] == {"done": 1}
    table = rows(tmp_path)
    assert [(row["level"], row["state"], row["p99_mpa"]) for row in table] == [
        ("L1", "refused", ""), ("L2", "done", "0.521"), ("L3", "done", "0.521"),
    ]  # fmt: skip
    assert (table[0]["problem"], table[1]["warnings"]) == ("vertebra_not_found", "W")
    assert len({row["job"] for row in table}) == 1


def test_a_ct_may_be_a_folder_of_dicom_files(url: str, run: Run, tmp_path: Path) -> None:
    put(tmp_path, a="report")
    study = tmp_path / "cts" / "study"
    study.mkdir()
    for name in ("IM1", "IM2"):
        (study / name).write_text("a slice")
    (tmp_path / "cts" / "masks" / "study.nii.gz").write_text(f"mask in {tmp_path}")
    assert run("--pattern", "*.nii*", "*/") == DONE
    assert [(row["file"], row["state"]) for row in rows(tmp_path)] == [("a.nii.gz", "done"), ("study", "done")]
    first = rows(tmp_path)[1]["request"]
    (study / "IM2").write_text("another slice")
    run("--pattern", "*.nii*", "*/")
    assert rows(tmp_path)[1]["request"] != first


def test_a_folder_that_cannot_be_run(url: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json") == WRONG_HERE
    printed = capsys.readouterr()
    assert "There is no folder" in printed.err
    assert json.loads(printed.out)["error"]["detail"] == printed.err.strip()
    put(tmp_path)
    assert run() == WRONG_HERE
    assert "No file of" in capsys.readouterr().err
    put(tmp_path, a="report")
    (tmp_path / "cts" / "masks" / "a.nii.gz").unlink()
    assert run() == WRONG_HERE
    assert "has no mask" in capsys.readouterr().err
    (tmp_path / "out.csv").write_text("a,b\n1,2\n")
    assert run() == WRONG_HERE
    assert "is not the CSV file of a batch" in capsys.readouterr().err
