"""In which order the jobs that wait will start, if no other comes: the order of `app.jobs.fair_order`, told ahead."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush


@dataclass(frozen=True)
class Waiting:
    """A job that waits: its id, its tenant, and when it was submitted (s since the epoch)."""

    id: str
    tenant: str
    created_at: float


def in_turn(waiting: Iterable[Waiting], last_starts: Mapping[str, float]) -> list[str]:
    """Return the ids of jobs in the order in which they start.

    Parameters
    ----------
    waiting
        All jobs that wait.
    last_starts
        When the last job of each tenant started, s since the epoch; a tenant without one has had none.
    """
    queues: dict[str, deque[Waiting]] = defaultdict(deque)
    for job in sorted(waiting, key=lambda job: (job.created_at, job.id)):
        queues[job.tenant].append(job)
    turns = [_Turn((0, last_starts.get(tenant, 0.0)), queue[0]) for tenant, queue in queues.items()]
    heapify(turns)
    order: list[str] = []
    while turns:
        turn = heappop(turns)
        order.append(queues[turn.job.tenant].popleft().id)
        if queues[turn.job.tenant]:  # the tenant's last start is now the latest of all
            heappush(turns, _Turn((1, len(order)), queues[turn.job.tenant][0]))
    return order


@dataclass(frozen=True)
class _Turn:
    """The next job of a tenant, and when the tenant last started one: 0 and the time, or 1 and a number after now."""

    last_start: tuple[int, float]
    job: Waiting

    def __lt__(self, other: _Turn) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[tuple[int, float], float, str]:
        return self.last_start, self.job.created_at, self.job.id
