"""What tests of the service share: a real Valkey server, a gateway in a thread, workers in processes, assertions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import redis
import uvicorn
from fastapi import FastAPI

from app.application import create_app
from app.broker import EmbeddedBroker
from app.gateway import server_config
from app.jobs.blobs import BlobStore
from app.jobs.buckets import KEY_PREFIX
from app.jobs.gateway_settings import GatewaySettings
from app.jobs.parent_death import die_with_parent
from app.jobs.rows import JobRow
from app.jobs.settings import QUEUE_NAME, Settings
from app.jobs.store import open_store

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"key-a": "tenant-a", "key-b": "tenant-b"}
FAST = {
    "heartbeat_s": 0.3,
    "stale_after_s": 3.0,
    "reconcile_every_s": 0.3,
    "unclaimed_after_s": 3.0,
    "job_deadline_s": 300,
}
PATIENCE_S = 900.0
"""How long a test waits for what takes a second on an idle machine. Only a test that fails waits so long, so a busy
machine may be a hundred times slower."""
KEPT_OPEN_S = 60
"""How long a connection without a request lives: far longer than the 5 s of httpx. With the same time a test's request
may meet a connection that the gateway just ends."""


class Broker:
    """A real Valkey server that a test can stop and start again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._embedded = EmbeddedBroker.prepare(folder)
        self.url = self._embedded.url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._embedded.command,
            stdout=subprocess.DEVNULL,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        wait_for(self._answers, "broker")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the broker has ended: another process may have taken its port"
        return self._embedded.answers()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    broker = Broker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@contextmanager
def running_gateway(settings: Settings) -> Iterator[str]:
    """Run a gateway in a thread of this process and yield its URL. What others counted in its queue is forgotten."""
    with redis.Redis.from_url(settings.broker, socket_timeout=5) as client, suppress(redis.RedisError):
        for key in client.scan_iter(f"{KEY_PREFIX}*"):
            client.delete(key)
    with running_app(create_app(settings), settings) as url:
        yield url


@contextmanager
def running_app(app: FastAPI, limits: GatewaySettings | None = None) -> Iterator[str]:
    """Run an application in a thread of this process and yield its URL."""
    config = server_config(app, limits or GatewaySettings())
    config.port = 0
    config.timeout_keep_alive = KEPT_OPEN_S
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started or not thread.is_alive(), "gateway")
    assert server.started, "the gateway has ended; its log says why"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(15)


@contextmanager
def running_worker(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Celery worker with the pipeline of ``tests.workers.fake_worker``."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "--quiet",
        "-A",
        "tests.workers.fake_worker",
        "worker",
        "--queues",
        QUEUE_NAME,
    ]
    scratch = settings.data_dir / "scratch"
    scratch.mkdir(exist_ok=True)
    command += ["--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(settings) | {"TMPDIR": str(scratch)},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    try:
        yield process
    finally:
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a child process the same settings."""
    values: dict[str, str] = {}
    for name in settings.model_fields_set:
        value: Any = getattr(settings, name)
        if hasattr(value, "get_secret_value"):
            value = value.get_secret_value()
        if name == "api_keys":
            value = {key.get_secret_value(): tenant for key, tenant in value.items()}
        if isinstance(value, dict):
            value = json.dumps(
                {k: v.get_secret_value() if hasattr(v, "get_secret_value") else v for k, v in value.items()}
            )
        if isinstance(value, list):
            value = json.dumps(value)
        values[f"VERTEBRA_{name.upper()}"] = str(value)
    return os.environ | values | {"PYTHONPATH": str(ROOT)}


def post(
    client: httpx.Client,
    ct: bytes = b"ok",
    mask: bytes | None = b"mask",
    params: Any = None,
    name: str | None = None,
    labels: Any = None,
    **more: Any,
) -> httpx.Response:
    files: dict[str, Any] = {"ct": ("ct.nii.gz", ct)}
    if mask is not None:
        files["mask"] = ("mask.nii.gz", mask)
    data = {} if params is None else {"params": params if isinstance(params, str) else json.dumps(params)}
    data |= {} if name is None else {"name": name}
    data |= {} if labels is None else {"labels": labels if isinstance(labels, str) else json.dumps(labels)}
    return client.post("/v1/jobs", files=files, data=data, **more)


def check_problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Assert that a response is the problem ``slug`` with this status; return its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{slug}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


def stored_jobs(settings: Settings) -> list[str]:
    """Return the ids of the jobs that have files in storage."""
    return BlobStore(settings.storage).folders("jobs")


def finish(
    settings: Settings,
    job_id: str,
    files: dict[str, tuple[bytes, str]],
    warnings: Sequence[str] = (),
    level: str | None = None,
) -> None:
    """Finish a job as a worker does: claim it, publish the files, record the success with the report's warnings."""
    store = open_store(settings)
    claim = store.claim(job_id, "test")
    assert claim is not None
    manifest = put_results(settings, job_id, claim.token, files)
    assert store.succeed(
        job_id,
        claim.token,
        results=manifest,
        timings={"solve": 1.5},
        bundle_version="test-1",
        warnings=warnings,
        found_level=level,
    )
    store.engine.dispose()


def put_results(
    settings: Settings, job_id: str, token: int, files: dict[str, tuple[bytes, str]]
) -> list[dict[str, Any]]:
    """Store files (name to bytes and media type) under the token of an attempt; return their list for the row."""
    blobs = BlobStore(settings.storage)
    manifest = []
    for name, (data, media_type) in files.items():
        with blobs.writer(f"jobs/{job_id}/results-{token}/{name}") as writer:
            writer.write(data)
            info = writer.commit()
        manifest.append({"name": name, "media_type": media_type, "size": info.size, "sha256": info.sha256})
    return manifest


def fail(
    settings: Settings, job_id: str, problem: dict[str, Any], files: dict[str, tuple[bytes, str]] | None = None
) -> None:
    """Fail a job as a worker does, with the files that explain why."""
    store = open_store(settings)
    claim = store.claim(job_id, "test")
    assert claim is not None
    manifest = put_results(settings, job_id, claim.token, files or {})
    assert store.fail(job_id, claim.token, problem, manifest)
    store.engine.dispose()


def new_row(job_id: str, tenant: str = "local", key: str | None = None) -> JobRow:
    return JobRow(
        id=job_id, tenant=tenant, idempotency_key=key, state="queued", percent=0.0, attempt=0, token=0,
        params={"vertebra": "L1"}, ct_sha256="0" * 64, ct_size=2, mask_sha256="1" * 64, mask_size=4,
    )  # fmt: skip


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {timeout_s} s")
