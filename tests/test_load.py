"""`make load` in short: what it measures is there and right. How fast it was depends on the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.jobs.settings import Settings
from bench.load import Polling, describe, measure, submit
from tests.app.harness import KEYS, running_broker, running_gateway

CLIENTS = 5
SECONDS = 1.0


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with running_broker(tmp_path / "broker") as broker:
        settings = Settings(data_dir=tmp_path, broker_url=broker.url, api_keys=KEYS)
        with running_gateway(settings) as url:
            yield url


def test_polls_are_counted_and_timed(url: str) -> None:
    key = next(iter(KEYS))
    paths = submit(url, key, b"a job that waits", CLIENTS)
    assert len(set(paths)) == CLIENTS
    load = measure(url, key, Polling(paths, SECONDS), [psutil.Process(os.getpid())])
    assert load.failures == 0
    assert (load.clients, load.gateway_processes, load.seconds) == (CLIENTS, 1, SECONDS)
    assert load.requests_a_second > 0
    assert 0 < load.p50_ms <= load.p99_ms
    assert load.gateway_cpu_ms_a_request > 0
    assert (load.computing_at_begin, load.computing_at_end) == (False, False)
    assert "NO JOB COMPUTED" in describe(load)


def test_a_refusal_counts_as_a_failure(url: str) -> None:
    paths = submit(url, next(iter(KEYS)), b"a job that waits", 1)
    load = measure(url, next(iter(KEYS)), Polling([paths[0], f"{paths[0]}x"], SECONDS), [psutil.Process(os.getpid())])
    assert 0 < load.failures < load.requests_a_second * SECONDS


def test_paced_clients_send_no_more_than_their_rate(url: str) -> None:
    paths = submit(url, next(iter(KEYS)), b"a job that waits", CLIENTS)
    load = measure(url, next(iter(KEYS)), Polling(paths, SECONDS, 0.5), [psutil.Process(os.getpid())])
    assert 0 < load.requests_a_second * SECONDS <= 3 * CLIENTS
    assert "every 500 ms" in describe(load)
