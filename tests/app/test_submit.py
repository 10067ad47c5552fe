"""`vertebra-stress submit` against a gateway and a worker whose pipeline does what the "CT" says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.cli import main
from app.jobs.settings import Settings
from app.problem_text import problem_text
from tests.app.harness import FAST, Broker, running_gateway, running_worker, wait_for


@pytest.fixture(scope="module")
def url(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), broker_url=broker.url, allow_anonymous=True, **FAST)
    with running_gateway(settings) as url, running_worker(settings, settings.data_dir / "worker.log"):
        wait_for(lambda: httpx.get(f"{url}/health/ready").status_code == 200, "worker")
        yield url


def submit(url: str, folder: Path, word: str) -> int:
    for name in ("ct", "mask"):
        (folder / name).write_text(word)
    files = ["--ct", str(folder / "ct"), "--mask", str(folder / "mask"), "--out", str(folder / "out")]
    return main(["submit", "--url", url, *files])


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


def test_other_members_of_a_problem_are_named() -> None:
    text = problem_text({"type": "/problems/label_absent", "title": "T", "detail": "D", "labels_present": [1, 2]})
    assert text.splitlines() == ["T (/problems/label_absent)", "  D", "  labels_present: [1, 2]"]
