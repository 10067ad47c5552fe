"""Whether every promise was kept: each accepted job ended, once, with whole files of its own."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from tests.faults.clients import ENDED, Accepted, load_of
from tests.faults.stack import Stack

PUBLISHED = re.compile(r"job (\w+): published, ")
"""What a worker logs after the UPDATE that publishes."""
UNFORESEEN = "/problems/internal_error"
FILES = 2
"""The pipeline of the tests writes so many."""


@dataclass(frozen=True)
class Verdict:
    """Numbers of jobs; of files for ``damaged``. ``failures`` counts the problems with which jobs failed."""

    accepted: int
    ended: int
    deleted: int
    lost: int
    twice: int
    damaged: int
    states: dict[str, int]
    failures: dict[str, int]
    attempts: int

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, published twice or damaged, no error was unforeseen, and the counts add up."""
        whole = self.accepted == self.ended + self.deleted + self.lost
        return whole and not (self.lost or self.twice or self.damaged or UNFORESEEN in self.failures)


def judge(stack: Stack, jobs: list[Accepted]) -> Verdict:
    """Ask the service for every job that was accepted, and read every file of its results."""
    states: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    damaged = attempts = 0
    with httpx.Client(base_url=stack.urls[0], timeout=60) as client:
        for job in jobs:
            answer = client.get(f"/v1/jobs/{job.job_id}")
            gone = answer.status_code == 404
            found: dict[str, Any] = {} if gone else answer.raise_for_status().json()
            state = "deleted" if gone and job.state == "deleted" else found.get("state", "absent")
            states[state] += 1
            attempts += found.get("attempt", 0)
            if state == "failed":
                failures[found["error"]["type"]] += 1
            if state == "succeeded":
                damaged += _damaged_files(client, job)
    ended = sum(states[state] for state in ENDED)
    lost = len(jobs) - ended - states["deleted"]
    return Verdict(
        len(jobs), ended, states["deleted"], lost, _published_twice(stack, jobs), damaged, dict(states), dict(failures),
        attempts,
    )  # fmt: skip


def _damaged_files(client: httpx.Client, job: Accepted) -> int:
    """Count the files whose sha256 is not the manifest's, or that belong to another job or are absent."""
    path = f"/v1/jobs/{job.job_id}/results"
    manifest = client.get(path).raise_for_status().json()["results"]
    damaged = abs(FILES - len(manifest))
    for entry in manifest:
        answer = client.get(f"{path}/{entry['name']}")
        whole = answer.is_success and hashlib.sha256(answer.content).hexdigest() == entry["sha256"]
        if whole and entry["name"] == "report.json":
            whole = json.loads(answer.content)["load_newton"] == load_of(job.number)
        damaged += not whole
    return damaged


def _published_twice(stack: Stack, jobs: list[Accepted]) -> int:
    """Count the jobs that two attempts published, by the workers' logs, and the ids that two keys got."""
    logs = [stack.logs / f"{worker.name}.log" for worker in stack.workers]
    published = Counter(PUBLISHED.findall("".join(log.read_text(errors="replace") for log in logs)))
    shared = len(jobs) - len({job.job_id for job in jobs})
    return shared + sum(count > 1 for count in published.values())
