"""How soon a job runs again after its process or worker was killed, and what an emptied queue costs the jobs that wait.

After a kill that is the time from the harm to the moment when the service says that the job runs, in an attempt whose
first stage has begun. With one real worker it includes the start of a process: kernels, bundle, a first prediction.
After the queue was emptied it is the time until the messages are back, and the longest pause between the end of one job
and the start of the next: the pause is what a client notices.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import redis

from app.jobs.settings import QUEUE_NAME
from tests.app.harness import post, wait_for
from tests.faults.faults import empty_queue, kill_pool_process, send
from tests.faults.stack import Stack

GOAL_S = 15.0
WAITING = 2
"""Jobs that wait when the queue is emptied. The worker may hold the message of the first; that of the other is lost."""


@dataclass(frozen=True)
class Recovery:
    """Measures a service with one worker; ``ct`` is a job's file, whose computation takes some seconds."""

    stack: Stack
    ct: bytes
    mask: bytes | None

    def measure(self) -> dict[str, float]:
        """Do each harm once; return the seconds until a job runs again."""
        (worker,) = self.stack.workers
        with httpx.Client(base_url=self.stack.urls[0], timeout=60) as client:
            return {
                "pool process killed": self._after(client, lambda: kill_pool_process(worker)),
                "worker killed": self._after(client, lambda: send(worker, signal.SIGKILL)),
                **self._after_emptying(client),
            }

    def _after(self, client: httpx.Client, harm: Callable[[], None]) -> float:
        """Return how long the job of the worker that is harmed takes to run again."""
        path = self._submit(client)
        _wait_until_running(client, path, attempt=1)
        begin = time.monotonic()
        harm()
        _wait_until_running(client, path, attempt=2)
        seconds = time.monotonic() - begin
        self._end(client, path)
        return round(seconds, 1)

    def _after_emptying(self, client: httpx.Client) -> dict[str, float]:
        """Return the figures of an emptied queue, in which jobs waited while another one ran."""
        first = self._submit(client)
        _wait_until_running(client, first, attempt=1)
        paths = [first, *(self._submit(client) for _ in range(WAITING))]
        begin = time.monotonic()
        empty_queue(self.stack)
        wait_for(lambda: self._messages() or _have_ended(client, paths), "the messages")
        refilled = time.monotonic() - begin
        wait_for(lambda: _have_ended(client, paths), "the end of all jobs")
        jobs = [client.get(path).json() for path in paths]
        starts = sorted(_seconds(job["started_at"]) for job in jobs)
        ends = sorted(_seconds(job["finished_at"]) for job in jobs)
        pauses = [start - end for end, start in zip(ends, starts[1:], strict=False)]
        self._end(client, *paths)
        return {
            "queue emptied, messages back": round(refilled, 1),
            "queue emptied, longest pause": round(max(pauses), 1),
        }

    def _messages(self) -> int:
        with redis.Redis.from_url(self.stack.broker_url, socket_timeout=5) as client:
            return int(client.llen(QUEUE_NAME))

    def _submit(self, client: httpx.Client) -> str:
        return str(post(client, self.ct, self.mask).raise_for_status().headers["location"])

    def _end(self, client: httpx.Client, *paths: str) -> None:
        for path in paths:
            client.delete(path).raise_for_status()
        wait_for(self.stack.is_ready, "the service after the harm")


def _wait_until_running(client: httpx.Client, path: str, attempt: int) -> None:
    def is_running() -> bool:
        job: dict[str, Any] = client.get(path).raise_for_status().json()
        assert job["state"] in ("queued", "running"), f"the job has ended before it was harmed: {job}"
        return job["state"] == "running" and job["attempt"] == attempt and job["stage"] is not None

    wait_for(is_running, f"attempt {attempt}")


def _have_ended(client: httpx.Client, paths: list[str]) -> bool:
    return all(client.get(path).raise_for_status().json()["finished_at"] for path in paths)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
