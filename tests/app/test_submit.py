"""`vertebra-stress submit` against a gateway and a worker whose pipeline does what the "CT" says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.cli import main
from app.client import inner_path
from app.jobs.settings import Settings
from app.problem_text import problem_text
from tests.app.harness import FAST, Broker, running_gateway, running_worker, wait_for


@pytest.fixture(scope="module")
def url(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), broker_url=broker.url, allow_anonymous=True, **FAST)
    with running_gateway(settings) as url, running_worker(settings, settings.data_dir / "worker.log"):
        wait_for(lambda: httpx.get(f"{url}/health/ready").status_code == 200, "worker")
        yield url


def submit(url: str, folder: Path, word: str, *more: str) -> int:
    for name in ("ct", "mask"):
        (folder / name).write_text(word)
    files = ["--ct", str(folder / "ct"), "--mask", str(folder / "mask"), "--out", str(folder / "out")]
    return main(["submit", "--url", url, *files, *more])


def test_the_pictures_of_a_refusal_are_saved(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(url, tmp_path, "refuse") == 1
    printed = capsys.readouterr()
    assert "vertebra_not_found" in printed.err
    assert "candidate 1: 97% probable; to choose it send --seed 1.0 -20.0 300.5" in printed.err
    assert "body at (1.0, -20.0, 300.5): L1, 97%; ribs unknown, above the last vertebra" in printed.err
    names = ["candidate-1.png", "candidate-10.png", "candidate-2.png", "spine.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert all(f"/results/{name}" in printed.out for name in names)
    assert "report" not in printed.out


def test_a_failure_without_pictures_saves_nothing(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(url, tmp_path, "bad") == 1
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
    assert main(["submit", "--url", url, *files, "--vertebra", "all", "--results"]) == 0  # seven levels
    assert "L5/report.json" in capsys.readouterr().out


def test_the_name_of_a_result_cannot_leave_the_folder() -> None:
    for name, expected in {
        "stress.vtu": "stress.vtu",
        "L1/stress.vtu": "L1/stress.vtu",
        "../../etc/passwd": "etc/passwd",
        "/etc/passwd": "etc/passwd",
        "a/b/c": "b/c",
    }.items():
        assert str(inner_path(name)) == expected


def test_other_members_of_a_problem_are_named() -> None:
    text = problem_text({"type": "/problems/label_absent", "title": "T", "detail": "D", "labels_present": [1, 2]})
    assert text.splitlines() == ["T (/problems/label_absent)", "  D", "  labels_present: [1, 2]"]
