"""The commands about jobs that were submitted before."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.commands.exit_codes import DONE, JOB_FAILED, REFUSED, TRY_LATER
from tests.app.harness import ROOT, wait_for

Ask = Callable[..., Any]


@pytest.fixture
def ask(url: str, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command with ``--json``; return what it printed."""

    def ask(*words: str, status: int = DONE) -> Any:
        capsys.readouterr()
        assert main([words[0], "--url", url, "--json", *words[1:]]) == status
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def send(ask: Ask, tmp_path: Path) -> Callable[..., str]:
    def send(ct: str, *more: str) -> str:
        (tmp_path / "ct").write_text(ct)
        files = ("--ct", str(tmp_path / "ct"), "--mask", str(tmp_path / "ct"))
        job_id: str = ask("submit", *files, *more)["job"]["id"]
        return job_id

    return send


def test_a_job_is_sent_followed_and_fetched(
    url: str, ask: Ask, send: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = send("report", "--name", "case 17", "--load", "750")
    job = ask("status", job_id, "--wait")["job"]
    assert (job["state"], job["name"], job["params"]["load_newton"]) == ("succeeded", "case 17", 750.0)
    assert job_id in [each["id"] for each in ask("list", "--state", "succeeded")["jobs"]]
    assert ask("list", "--limit", "1")["jobs"][0]["id"] == job_id
    (result,) = ask("results", job_id)["results"]
    assert result["name"] == "report.json"
    saved = ask("results", job_id, "--out", str(tmp_path / "out"), "--name", "report.json")["results"]
    assert json.loads(Path(saved["report.json"]).read_text())["load_newton"] == 750.0

    for command, expected in {
        ("status", job_id): f"job        {job_id}, case 17",
        ("list",): f"{job_id}  ",
        ("results", job_id): f"{url}/v1/jobs/{job_id}/results/report.json  (0.0",
        ("results", job_id, "--out", str(tmp_path / "out")): "99th percentile         0.521 MPa",
    }.items():
        assert main([*command, "--url", url]) == DONE
        assert expected in capsys.readouterr().out


def test_a_refused_job_runs_again_with_other_parameters(ask: Ask, send: Callable[..., str], tmp_path: Path) -> None:
    job_id = send("refuse")
    refused = ask("status", job_id, "--wait", status=JOB_FAILED)
    assert refused["error"]["type"] == "/problems/vertebra_not_found"
    again = ask("retry", job_id, "--label", "3", "--out", str(tmp_path / "again"), status=JOB_FAILED)["job"]
    assert (again["retry_of"], again["params"]["mask_label"]) == (job_id, 3)
    assert len(list((tmp_path / "again").iterdir())) == 4
    (tmp_path / "better").write_text("a mask")
    corrected = ask("retry", job_id, "--mask", str(tmp_path / "better"))["job"]
    assert corrected["corrects"] == job_id
    assert {each["id"] for each in ask("list", "--retry-of", job_id)["jobs"]} == {again["id"], corrected["id"]}


def test_jobs_are_cancelled_and_deleted(ask: Ask, send: Callable[..., str]) -> None:
    jobs = [send("sleep 300"), send("sleep 300")]
    assert [job["state"] for job in ask("cancel", *jobs)["jobs"]] == ["cancelled"] * 2
    assert ask("delete", *jobs)["deleted"] == jobs
    gone = ask("status", jobs[0], status=REFUSED)
    assert gone["error"]["type"] == "/problems/job_not_found"
    wait_for(lambda: not ask("list", "--state", "cancelled")["jobs"], "end")


def test_nobody_answers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert main(["list", "--url", "http://127.0.0.1:1", "--json"]) == TRY_LATER
    assert "does not answer" in json.loads(capsys.readouterr().out)["error"]["detail"]


def test_a_command_that_speaks_to_a_service_does_not_load_one() -> None:
    code = "import sys, app.cli; app.cli.main(sys.argv[1:]); print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", code, "list", "--url", "http://127.0.0.1:9"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not {"sqlalchemy", "alembic", "redis", "fastapi"} & set(done.stdout.split()), done.stderr
    assert "httpx" in done.stdout
