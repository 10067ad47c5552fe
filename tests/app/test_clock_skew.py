"""A worker on a host whose clock is wrong: all times of the rows are PostgreSQL's."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from app.jobs.database import upgrade_database
from app.jobs.settings import Settings
from tests.app.harness import FAST, PATIENCE_S, Broker, post, running_gateway, running_worker, wait_for
from tests.app.postgres_server import new_database


@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_wrong_clock_does_no_harm(
    seconds: int, broker: Broker, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database(postgres_url)
    upgrade_database(database)
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, database_url=database, allow_anonymous=True, **FAST)
    monkeypatch.setenv("FAKE_WORKER_CLOCK_S", str(seconds))
    begin = time.time()
    with (
        running_gateway(settings) as url,
        httpx.Client(base_url=url, timeout=PATIENCE_S) as client,
        running_worker(settings, tmp_path / "log"),
    ):
        wait_for(lambda: client.get("/health/ready").status_code == 200, "worker")
        path = post(client, b"sleep 5").headers["location"]  # longer than a silent worker keeps a job
        job = wait_for(lambda: (job := client.get(path).json())["state"] in ("succeeded", "failed") and job, "job")
    assert (job["state"], job["attempt"], job["error"]) == ("succeeded", 1, None)
    for name in ("created_at", "started_at", "finished_at"):
        assert begin - 1 <= _seconds(job[name]) <= time.time() + 1


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
