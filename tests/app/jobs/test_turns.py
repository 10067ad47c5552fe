"""The order that is told ahead is the order in which workers take the jobs."""

from __future__ import annotations

from pathlib import Path

from app.jobs.settings import Settings
from app.jobs.store import open_store
from app.jobs.turns import Waiting, in_turn
from tests.app.harness import new_row


def test_tenants_take_turns_and_the_one_served_longest_ago_is_first() -> None:
    jobs = [Waiting("a1", "a", 1.0), Waiting("a2", "a", 2.0), Waiting("a3", "a", 3.0), Waiting("b1", "b", 4.0),
            Waiting("b2", "b", 5.0), Waiting("c1", "c", 6.0)]  # fmt: skip
    assert in_turn(jobs, {"a": 50.0, "b": 40.0}) == ["c1", "b1", "a1", "b2", "a2", "a3"]
    assert in_turn(reversed(jobs), {}) == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert in_turn([], {"a": 1.0}) == []


def test_workers_take_jobs_in_the_order_that_is_told(tmp_path: Path) -> None:
    now = 1000.0
    store = open_store(Settings(data_dir=tmp_path))
    store.clock = lambda: now
    waiting = []
    for number, tenant in enumerate("aaabacbbca"):
        now += 1.0
        row = store.create(new_row(f"{number:032x}", tenant))
        waiting.append(Waiting(row.id, tenant, row.created_at))
    told = in_turn(waiting, {})
    taken = []
    for _ in waiting:
        now += 1.0
        claim = store.claim_next("w")
        assert claim is not None
        taken.append(claim.job_id)
    assert told == taken
    store.engine.dispose()
