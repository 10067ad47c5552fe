"""Place in the queue and time left, from rows and from the times of recent jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from app.jobs import typical_times
from app.jobs.database import upgrade_database
from app.jobs.outlook import MOST_OPEN, OpenJob, Outlook, look_at_queue, outlooks, read_recent
from app.jobs.settings import Settings
from app.jobs.store import JobStore, open_store
from app.jobs.typical_times import SIMILAR_SIZE, Done, TypicalTimes, Work, seconds_left, work_of
from app.jobs.worker_registry import WorkerReport, register
from tests.app.harness import new_row

WORK = Work(True, False, 1, "surrogate", "refined", 100)
STAGES = {"read": 1.0, "morph": 5.0, "write": 2.0}
RECENT = [Done(WORK, {"read": 1.0, "morph": morph, "write": 2.0}) for morph in (4.0, 5.0, 90.0)]


def test_a_median_needs_three_jobs_that_are_alike() -> None:
    assert TypicalTimes(RECENT).stages(WORK) == STAGES
    assert TypicalTimes(RECENT[:2]).stages(WORK) == {}
    other = [Done(replace(WORK, fidelity="fe"), {"solve": 9.0})] * 5
    assert TypicalTimes(other).stages(WORK) == {}
    assert TypicalTimes(RECENT).stages(replace(WORK, ct_size=200)) == STAGES
    assert TypicalTimes(RECENT).stages(replace(WORK, ct_size=201)) == {}


def test_many_jobs_of_different_sizes_share_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    recent = [
        Done(replace(WORK, ct_size=size, has_seed=size % 3 == 0), {"read": size % 7.0, "morph": size % 11.0})
        for size in (100 + 53 * number % 97 for number in range(30))
    ]
    calls: list[float] = []
    monkeypatch.setattr(typical_times, "median", lambda values: calls.append(found := median(values)) or found)
    jobs = [job(str(size), work=replace(WORK, ct_size=size)) for size in range(100, 280)]
    told = outlooks(jobs, {}, recent, 1000)
    assert 0 < len(calls) <= 2 * 2 * len(recent)  # two stages; each recent job comes in once and goes out once
    for each in jobs:
        size = each.work.ct_size
        alike = [
            done.timings
            for done in recent
            if not done.work.has_seed and max(size, done.work.ct_size) <= SIMILAR_SIZE * min(size, done.work.ct_size)
        ]
        assert told[each.id].seconds_left == sum(median(times[name] for times in alike) for name in ("read", "morph"))


@pytest.mark.parametrize(
    ("params", "levels"),
    [({}, 1), ({"vertebra": "L2"}, 1), ({"vertebra": ["L1", "L2"]}, 2), ({"vertebra": "all"}, "all")],
)
def test_work_counts_the_levels(params: dict, levels: int | str) -> None:
    assert work_of(params, True, 1).levels == levels


@pytest.mark.parametrize(
    ("elapsed_s", "stage", "left"),
    [
        (0.0, None, 8.0),
        (3.0, "morph", 5.0),
        (0.1, "morph", 7.0),  # faster than the others: no more than this stage and those to come
        (60.0, "morph", 2.0),  # slower: no less than the stages to come
        (60.0, None, None),
        (3.0, "a stage that no job had", 5.0),
    ],
)
def test_what_is_left_of_a_running_job(elapsed_s: float, stage: str | None, left: float | None) -> None:
    assert seconds_left(STAGES, elapsed_s, stage) == left
    assert seconds_left({}, elapsed_s, stage) is None


def job(name: str, is_running: bool = False, work: Work = WORK) -> OpenJob:
    return OpenJob(name, "a", is_running, float(name), 3.0, "morph" if is_running else None, work)


def test_a_job_that_waits_takes_the_first_free_worker() -> None:
    jobs = [job("1", is_running=True), job("2"), job("3"), job("4")]
    one = outlooks(jobs, {}, RECENT, 1)
    assert one == {"1": Outlook(None, 5.0), "2": Outlook(1, 13.0), "3": Outlook(2, 21.0), "4": Outlook(3, 29.0)}
    two = outlooks(jobs, {}, RECENT, 2)
    assert [two[name].seconds_left for name in "1234"] == [5.0, 8.0, 13.0, 16.0]


def test_what_nobody_knows_is_left_out_and_the_places_stay() -> None:
    jobs = [job("1"), job("2", work=replace(WORK, fidelity="fe")), job("3")]
    assert [outlooks(jobs, {}, RECENT, 1)[name] for name in "123"] == [
        Outlook(1, 8.0), Outlook(2, None), Outlook(3, None),
    ]  # fmt: skip
    for unknown in (outlooks(jobs, {}, RECENT, 0), outlooks(jobs, {}, [], 1)):
        assert [unknown[name] for name in "123"] == [Outlook(1), Outlook(2), Outlook(3)]
    busy = outlooks([job("1", True, replace(WORK, has_seed=True)), job("2")], {}, RECENT, 1)
    assert busy == {"1": Outlook(), "2": Outlook(1)}


@pytest.fixture
def store(empty_database: str) -> JobStore:
    upgrade_database(empty_database)
    return open_store(Settings(database_url=empty_database, data_dir=Path("absent")))


def test_the_rows_tell_all_of_it(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        done = store.create(new_row(f"{number:032x}"))
        claim = store.claim(done.id, "w")
        assert claim is not None
        store.succeed(done.id, claim.token, results=[], timings=STAGES, bundle_version="b")
    register(store, WorkerReport("w", "b", {}))
    running, waiting, deferred = (store.create(new_row(letter * 32)) for letter in "cde")
    store.claim(running.id, "w")
    claim = store.claim(deferred.id, "v")
    assert claim is not None
    store.release_after_fault(claim, {"type": "t"})  # it waits for 5 s, so it has no place
    recent = read_recent(store)
    assert [done.timings for done in recent] == [STAGES] * 3
    told = look_at_queue(store, recent, 60.0).outlooks
    assert set(told) == {running.id, waiting.id}
    assert told[running.id].place is None
    assert told[running.id].seconds_left == pytest.approx(8.0, abs=60.0)
    assert told[waiting.id].place == 1
    silent = look_at_queue(store, recent, -3600.0).outlooks
    assert silent[waiting.id] == Outlook(1)
    monkeypatch.setattr("app.jobs.outlook.MOST_OPEN", 1)
    assert look_at_queue(store, recent, 60.0).outlooks == {}
    assert MOST_OPEN == 2000
    store.engine.dispose()
