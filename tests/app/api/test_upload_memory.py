"""A 300 MB upload must not raise the gateway's memory."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from app.broker import free_port
from app.gateway_processes import gateway_command
from app.jobs.parent_death import die_with_parent
from app.jobs.settings import Settings
from tests.app.harness import PATIENCE_S, ROOT, Broker, environment, kill_group, wait_for

SIZE = 300_000_000
LIMIT = 50_000_000
BLOCK = os.urandom(1 << 20)
HEAD = b'--b\r\nContent-Disposition: form-data; name="ct"; filename="ct"\r\n\r\n'
TAIL = b'\r\n--b\r\nContent-Disposition: form-data; name="mask"; filename="m"\r\n\r\nmask\r\n--b--\r\n'


def blocks(size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = BLOCK[:left]
        left -= len(piece)
        yield piece


def body(size: int) -> Iterator[bytes]:
    yield HEAD
    yield from blocks(size)
    yield TAIL


class Watch:
    """Samples the resident memory of a process."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.peak = 0

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def gateway(broker: Broker, tmp_path: Path) -> Iterator[tuple[str, int]]:
    port = free_port("127.0.0.1")
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, port=port, allow_anonymous=True)
    process = subprocess.Popen(
        gateway_command(),
        cwd=ROOT,
        env=environment(settings),
        start_new_session=True,
        preexec_fn=partial(die_with_parent, os.getpid()),
    )
    url = f"http://127.0.0.1:{port}"

    def lives() -> bool:
        try:
            return httpx.get(f"{url}/health/live").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(lives, "gateway")
        yield url, process.pid
    finally:
        kill_group(process)


def test_memory_stays_flat(gateway: tuple[str, int]) -> None:
    url, pid = gateway
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        assert client.post("/v1/jobs", content=body(1_000_000), headers=headers).status_code == 202  # warm up
        before = psutil.Process(pid).memory_info().rss
        with Watch(pid) as watch:
            response = client.post("/v1/jobs", content=body(SIZE), headers=headers)
        assert response.status_code == 202
        digest = hashlib.sha256()
        for block in blocks(SIZE):
            digest.update(block)
        assert response.json()["input"]["ct"] == {"size": SIZE, "sha256": digest.hexdigest()}
        grown = watch.peak - before
        assert grown < LIMIT, f"grew by {grown / 1e6:.1f} MB"
        client.delete(response.headers["location"])
