"""``make load``: how many status polls a second the gateway answers while a job computes, and what one poll costs.

A service of its own runs jobs without a mask, which use every core. Meanwhile clients poll the states of other jobs,
each on one connection and as fast as it is answered. Printed and written as JSON for each number of gateway processes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from app.demo import service, synthetic_ct
from bench.polling_clients import poll

NO_SERVICE = "http://127.0.0.1:9"
"""Nothing listens there, so `service` starts a service of its own."""

SHORTEST_JOB_S = 3.0
"""A job without a mask takes longer than this on any machine, so one computes during the whole measurement."""

WARM_UP_S = 1.0
PACED_REQUESTS_A_SECOND = 500.0
"""Rate of the second measurement. At full speed all clients always wait, so the latency says little."""


@dataclass(frozen=True)
class Load:
    """Figures of one measurement. Times are in milliseconds; the load average is that of its end."""

    clients: int
    interval_ms: float
    seconds: float
    gateway_processes: int
    requests_a_second: float
    p50_ms: float
    p99_ms: float
    failures: int
    gateway_cpu_ms_a_request: float
    clients_cpu_ms_a_request: float
    computing_at_begin: bool
    computing_at_end: bool
    load_average: float


@dataclass(frozen=True)
class Polling:
    """A path for each client, how long they poll, and the time between two requests of a client, seconds."""

    paths: list[str]
    seconds: float
    interval_s: float = 0.0


def measure(url: str, key: str | None, polling: Polling, gateways: list[psutil.Process]) -> Load:
    """Poll each path with a client of its own.

    Parameters
    ----------
    url, key
        Address of the service and its key.
    polling
        What the clients do; before that they do it for `WARM_UP_S`.
    gateways
        Processes whose CPU time counts as the gateway's.
    """
    address = (str(urlsplit(url).hostname), int(urlsplit(url).port or 80))
    headers = _headers(key)
    poll(address, polling.paths, headers, WARM_UP_S)
    computing, before, own = is_computing(url, headers), _cpu_s(gateways), time.process_time()
    polls = poll(address, polling.paths, headers, polling.seconds, polling.interval_s)
    after, own = _cpu_s(gateways), time.process_time() - own
    answers = len(polls.latencies)
    return Load(
        clients=len(polling.paths),
        interval_ms=1e3 * polling.interval_s,
        seconds=polling.seconds,
        gateway_processes=len(gateways),
        requests_a_second=round(polls.rate(), 1),
        p50_ms=round(1e3 * polls.percentile(50), 1),
        p99_ms=round(1e3 * polls.percentile(99), 1),
        failures=polls.failures,
        gateway_cpu_ms_a_request=round(1e3 * (after - before) / answers, 3),
        clients_cpu_ms_a_request=round(1e3 * own / answers, 3),
        computing_at_begin=computing,
        computing_at_end=is_computing(url, headers),
        load_average=round(os.getloadavg()[0], 1),
    )


def is_computing(url: str, headers: dict[str, str]) -> bool:
    """Return whether a job runs."""
    answer = httpx.get(f"{url}/v1/jobs", params={"state": "running"}, headers=headers, timeout=60)
    return bool(answer.raise_for_status().json()["jobs"])


def submit(url: str, key: str | None, ct: bytes, count: int) -> list[str]:
    """Submit a CT so many times; return the paths of the jobs."""
    with httpx.Client(base_url=url, headers=_headers(key), timeout=60) as client:
        answers = [client.post("/v1/jobs", files={"ct": ct}) for _ in range(count)]
    return [str(answer.raise_for_status().headers["location"]) for answer in answers]


def measure_service(processes: int, clients: int, seconds: float) -> list[Load]:
    """Start a service with so many gateway processes, keep a job computing, and measure at full speed and paced."""
    os.environ["VERTEBRA_GATEWAY_PROCESSES"] = str(processes)
    with tempfile.TemporaryDirectory() as folder, service(NO_SERVICE, lambda text: None) as (url, key):
        ct = synthetic_ct(Path(folder)).read_bytes()
        submit(url, key, ct, 2 + int(2 * (seconds + WARM_UP_S) / SHORTEST_JOB_S))
        paths = submit(url, key, b"a job that waits", clients)
        while not is_computing(url, _headers(key)):
            time.sleep(0.1)
        intervals = (0.0, clients / PACED_REQUESTS_A_SECOND)
        return [measure(url, key, Polling(paths, seconds, interval), _gateways()) for interval in intervals]


def _headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _gateways() -> list[psutil.Process]:
    family = psutil.Process().children(recursive=True)
    return [process for process in family if "app.gateway" in process.cmdline()]


def _cpu_s(processes: list[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def describe(load: Load) -> str:
    """Return a measurement in words."""
    pace = f" every {load.interval_ms:.0f} ms" if load.interval_ms else ""
    return (
        f"{load.clients} clients{pace}, {load.gateway_processes} gateway process(es): {load.requests_a_second:.0f} "
        f"requests/s"
        f", p50 {load.p50_ms:.0f} ms, p99 {load.p99_ms:.0f} ms, {load.gateway_cpu_ms_a_request:.2f} ms CPU a request "
        f"(clients {load.clients_cpu_ms_a_request:.2f}), {load.failures} failures, "
        f"load average {load.load_average}" + ("" if load.computing_at_end else "; NO JOB COMPUTED AT THE END")
    )


def main() -> None:
    """Print the figures and write them."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("target", type=Path, nargs="?", default=Path("bench-output/load.json"), help="file to write")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="numbers of gateway processes")
    arguments = parser.parse_args()
    figures: list[dict[str, Any]] = []
    for processes in arguments.processes:
        for load in measure_service(processes, arguments.clients, arguments.seconds):
            print(describe(load), flush=True)
            figures.append(asdict(load))
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    arguments.target.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
