"""Clients that submit jobs with idempotency keys, try again until they are answered, and wait for the end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import httpx

from tests.app.harness import post

CLIENTS = 8
AGAIN_S = 0.2
"""Pause between two requests for the same job."""
BOUND_S = 600.0
"""A job that has not ended so long after it was accepted counts as lost."""
ENDED = ("succeeded", "failed", "cancelled")
LOAD_NEWTON = 300.0
"""The load of job 0. Each further one is 0.1 N more, so a result tells whose it is."""


def load_of(number: int) -> float:
    """Return the load of a job, N."""
    return LOAD_NEWTON + number / 10


@dataclass
class Accepted:
    """What a client knows of its job; ``state`` is "deleted", the last one that it saw, or empty."""

    number: int
    job_id: str
    state: str = ""


@dataclass
class Clients:
    """Share the numbers of jobs among themselves. What job i is and what its client does depend on seed and i alone.

    Each request goes to the next gateway.
    """

    urls: list[str]
    seed: int
    jobs: int
    markers: Path
    accepted: list[Accepted] = field(default_factory=list)
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Submit every job and wait for the end of each."""
        threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        with ExitStack() as stack:
            clients = cycle([stack.enter_context(httpx.Client(base_url=url, timeout=60)) for url in self.urls])
            while (number := self._take()) is not None:
                source = random.Random(f"{self.seed}:{number}")
                job = self._submit(clients, number, source)
                if job is not None:
                    self.accepted.append(job)
                    _follow(clients, job, source)

    def _take(self) -> int | None:
        with self._lock:
            number, self._next = self._next, self._next + 1
        return number if number < self.jobs else None

    def _submit(self, clients: Iterator[httpx.Client], number: int, source: random.Random) -> Accepted | None:
        ct = self._ct(number, source).encode()
        end = time.monotonic() + BOUND_S
        while time.monotonic() < end:
            try:
                answer = post(
                    next(clients),
                    ct,
                    params={"load_newton": load_of(number)},
                    headers={"Idempotency-Key": f"{self.seed}-{number}"},
                )
            except httpx.TransportError:
                time.sleep(AGAIN_S)
                continue
            if answer.is_success:
                return Accepted(number, str(answer.json()["id"]))
            assert answer.status_code >= 500, answer.text
            time.sleep(AGAIN_S)
        return None

    def _ct(self, number: int, source: random.Random) -> str:
        """Return what the pipeline shall do: mostly work; sometimes be refused, killed or out of disk."""
        marker = self.markers / str(number)
        rare = {"bad": 4, f"die-once {marker}": 4, f"full {marker}": 4}
        work = f"sleep {source.uniform(0.0, 1.5):.2f}"
        return source.choices([work, *rare], [88, *rare.values()])[0]


def _follow(clients: Iterator[httpx.Client], job: Accepted, source: random.Random) -> None:
    """Cancel or delete one job in ten after a moment, and wait for the end."""
    deed = source.choices(["", "cancel", "delete"], [90, 5, 5])[0]
    if deed:
        time.sleep(source.uniform(0.0, 2.0))
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        try:
            if deed == "delete":
                if next(clients).delete(f"/v1/jobs/{job.job_id}").status_code in (204, 404):
                    job.state = "deleted"
                    return
            elif deed == "cancel":
                if next(clients).post(f"/v1/jobs/{job.job_id}/cancel").status_code < 500:  # 409: it has ended
                    deed = ""
            else:
                answer = next(clients).get(f"/v1/jobs/{job.job_id}")
                job.state = answer.json()["state"] if answer.is_success else job.state
                if job.state in ENDED:
                    return
        except httpx.TransportError:
            pass
        time.sleep(AGAIN_S)
