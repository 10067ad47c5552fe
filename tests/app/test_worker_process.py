"""`vertebra-stress worker`: it restarts a worker that hears nothing, and stops with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import psutil

from app.jobs.parent_death import die_with_parent
from app.jobs.settings import Settings
from tests.app.harness import FAST, PATIENCE_S, ROOT, Broker, environment, kill_group, post, running_gateway, wait_for

# The worker runs the fake pipeline, and one that has just started counts as healthy.
START = """
import sys
import app.supervisor
import app.worker_process as worker_process
app.supervisor.HEALTHY_AFTER_S = 0.0
original = worker_process.worker_command
worker_process.worker_command = lambda settings: [
    "tests.workers.fake_worker" if part == "workers.celery_app" else part for part in original(settings)
]
from app.cli import main
sys.exit(main(["worker"]))
"""


def test_a_worker_that_hears_nothing_is_seen_and_starts_again(broker: Broker, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, allow_anonymous=True, **FAST)
    with running_gateway(settings) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        process = subprocess.Popen(
            [sys.executable, "-c", START],
            cwd=ROOT,
            env=environment(settings) | {"TMPDIR": str(tmp_path)},
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        try:
            wait_for(lambda: client.get("/health/ready").status_code == 200, "worker")
            (listener,) = psutil.Process(process.pid).children()
            listener.suspend()  # its pool process goes on reporting
            path = post(client).headers["location"]
            wait_for(lambda: "are not taken by" in workers_detail(client), "readiness that sees the deaf worker")
            wait_for(lambda: client.get(path).json()["state"] == "succeeded", "the job, by the next worker")
            wait_for(lambda: client.get("/health/ready").status_code == 200, "recovery")
            assert listener.pid not in [child.pid for child in psutil.Process(process.pid).children()]
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
            psutil.wait_procs(family, PATIENCE_S)
            assert not [member for member in family if member.is_running()]
        finally:
            kill_group(process)


def workers_detail(client: httpx.Client) -> str:
    answer = client.get("/health/ready")
    workers = answer.json()["components"]["workers"]
    assert (answer.status_code == 200) == workers["ok"]
    return str(workers["detail"])
