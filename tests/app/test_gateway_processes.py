"""Several gateway processes behind one port: each answers for all, and the metrics are those of all."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from app.broker import free_port
from app.jobs.parent_death import die_with_parent
from app.jobs.settings import Settings, SettingsError
from app.listeners import listen
from tests.app.harness import KEYS, PATIENCE_S, ROOT, Broker, environment, kill_group, post, wait_for

PROCESSES = 2
REQUESTS = 40


@pytest.fixture(scope="module")
def parent(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[psutil.Process, str]]:
    """Run ``vertebra-stress gateway`` with two processes; yield the parent and the URL."""
    folder: Path = tmp_path_factory.mktemp("gateways")
    port = free_port("127.0.0.1")
    settings = Settings(data_dir=folder, broker_url=broker.url, api_keys=KEYS, port=port, gateway_processes=PROCESSES)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "gateway"],
            cwd=ROOT,
            env=environment(settings) | {"TMPDIR": str(folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answer(url), "two gateways")
        yield psutil.Process(process.pid), url
    finally:
        kill_group(process)


def answer(url: str) -> bool:
    """Return whether all of many new connections, which reach both processes, get an answer."""
    try:
        return all(httpx.get(f"{url}/health/live").status_code == 200 for _ in range(REQUESTS))
    except httpx.TransportError:
        return False


def count_lives(url: str) -> int:
    text = httpx.get(f"{url}/metrics").text
    found = re.search(r'vertebra_http_requests_total\{method="GET",route="/health/live",status="200"\} (\d+)', text)
    assert found, text
    return int(found[1])


def test_metrics_are_those_of_all_processes(parent: tuple[psutil.Process, str]) -> None:
    _, url = parent
    before = count_lives(url)
    for _ in range(REQUESTS):
        assert httpx.get(f"{url}/health/live").status_code == 200
    assert count_lives(url) == before + REQUESTS
    with httpx.Client(base_url=url, headers={"Authorization": "Bearer key-a"}) as client:
        response = post(client)
    assert response.status_code == 202, response.text
    assert 'vertebra_jobs{state="queued"} 1.0' in httpx.get(f"{url}/metrics").text


def test_a_process_that_dies_comes_back_and_keeps_what_it_counted(parent: tuple[psutil.Process, str]) -> None:
    process, url = parent
    before = count_lives(url)
    victim = next(child for child in process.children() if "app.gateway" in " ".join(child.cmdline()))
    victim.kill()
    wait_for(lambda: len([each for each in process.children() if each.pid != victim.pid]) == PROCESSES, "a new one")
    for _ in range(REQUESTS):  # connections that wait at the dead one's socket are answered by the new one
        assert httpx.get(f"{url}/health/live", timeout=PATIENCE_S).status_code == 200
    assert count_lives(url) == before + REQUESTS


def test_sigterm_ends_all_of_them(parent: tuple[psutil.Process, str]) -> None:
    process, _ = parent
    children = process.children(recursive=True)
    assert len(children) == PROCESSES
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_port_that_somebody_else_reuses_is_occupied() -> None:
    with listen("127.0.0.1", 0, 2) as (first, second):
        port = first.getsockname()[1]
        assert second.getsockname()[1] == port
        for count in (1, 2):
            with pytest.raises(SettingsError, match="cannot listen"), listen("127.0.0.1", port, count):
                pass
        with socket.create_connection(("127.0.0.1", port)):
            pass
