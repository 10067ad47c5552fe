"""The job rows: every transition, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session

from app.contract.errors import TooManyStoredBytes
from app.contract.params import CONTRACT
from app.jobs import row_maintenance, tenant_limits, worker_figures, worker_registry
from app.jobs.attempts import Claim
from app.jobs.database import open_database
from app.jobs.deaf_workers import list_deaf
from app.jobs.rows import JobRow, StageTimeRow, WorkerRow
from app.jobs.statistics import count_by_state, last_claim, queue_age, run_time_by_state, stage_times
from app.jobs.store import JobStore
from app.jobs.tenant_limits import TenantLimits
from tests.app.harness import new_row


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'jobs.sqlite3'}"
    else:
        url = request.getfixturevalue("postgres_url")
    engine = open_database(url)
    yield engine
    with engine.begin() as connection:
        connection.execute(delete(JobRow))
        connection.execute(delete(WorkerRow))
        connection.execute(delete(StageTimeRow))
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine: Engine, clock: Clock) -> JobStore:
    return JobStore(engine, max_attempts=3, stale_after_s=45, deadline_s=540, clock=clock)


def create(store: JobStore, tenant: str = "local", key: str | None = None) -> str:
    return store.create(new_row(uuid.uuid4().hex, tenant, key)).id


def get(store: JobStore, job_id: str) -> JobRow:
    row = store.get("local", job_id)
    assert row is not None
    return row


def test_the_life_of_a_job(store: JobStore) -> None:
    job_id = create(store)
    claim = store.claim(job_id, "w1")
    assert claim is not None
    assert (claim.attempt, claim.has_mask, claim.params) == (1, True, {"vertebra": "L1"})
    assert store.progress(job_id, claim.token, "solve", 130.0)
    row = get(store, job_id)
    assert (row.state, row.stage, row.percent) == ("running", "solve", 100.0)
    results = [{"name": "a", "size": 1}]
    assert store.succeed(job_id, claim.token, results=results, timings={"solve": 1.0}, bundle_version="1")
    row = get(store, job_id)
    assert (row.state, row.results, row.error) == ("succeeded", results, None)
    assert not store.fail(job_id, claim.token, {})
    assert store.claim(job_id, "w2") is None
    assert run_time_by_state(store) == {"succeeded": (1, 0.0)}
    assert count_by_state(store) == {"succeeded": 1}


def test_a_stale_attempt_is_taken_over_and_fenced_out(store: JobStore, clock: Clock) -> None:
    job_id = create(store)
    first = store.claim(job_id, "w1")
    assert first is not None
    clock.now += 40
    assert row_maintenance.release_stale(store) == []
    assert store.heartbeat(job_id, first.token)
    clock.now += 50
    assert store.claim(job_id, "w2") is None
    assert row_maintenance.release_stale(store) == [job_id]
    second = store.claim(job_id, "w2")
    assert second is not None
    assert (second.attempt, second.token) == (2, first.token + 2)
    for late in (
        store.heartbeat(job_id, first.token),
        store.progress(job_id, first.token, "x", 1),
        store.succeed(job_id, first.token, results=[], timings={}, bundle_version=""),
        store.fail(job_id, first.token, {}),
        store.release(job_id, first.token),
        store.release_after_fault(first, {}),
    ):
        assert late is False
    assert store.fail(job_id, second.token, {"title": "t"})


def test_attempts_are_exhausted(store: JobStore) -> None:
    job_id = create(store)
    for attempt in (1, 2, 3):
        claim = store.claim(job_id, "w")
        assert claim is not None
        assert claim.attempt == attempt
        assert row_maintenance.release_all(store) == 1
    assert store.claim_next("w") is None
    row = get(store, job_id)
    assert row.state == "failed"
    assert row.error is not None
    assert row.error["type"] == "/problems/attempts_exhausted"


def test_one_of_many_claims_wins(store: JobStore) -> None:
    job_id = create(store)
    start = threading.Barrier(8)
    wins = []

    def claim(name: str) -> None:
        start.wait()
        if store.claim(job_id, name):
            wins.append(name)

    threads = [threading.Thread(target=claim, args=(f"w{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert get(store, job_id).attempt == 1


def test_tenants_are_apart(store: JobStore) -> None:
    job_id = create(store, "a")
    assert store.get("b", job_id) is None
    assert not store.delete("b", job_id)
    assert store.list_page("b") == []
    assert [row.id for row in store.list_page("a")] == [job_id]


def test_idempotency_keys_are_a_tenants_own(store: JobStore) -> None:
    first = create(store, "a", "key")
    assert create(store, "a", "key") == first
    assert create(store, "b", "key") != first
    assert create(store, "a") != create(store, "a")
    assert store.delete("a", first)
    assert create(store, "a", "key") != first


def test_a_failure_may_publish_pictures(store: JobStore) -> None:
    pictured, plain, gone = (create(store) for _ in range(3))
    claims = {job_id: store.claim(job_id, "w") for job_id in (pictured, plain, gone)}
    tokens = {job_id: claim.token for job_id, claim in claims.items() if claim is not None}
    pictures = [{"name": "spine.png", "size": 1}]
    assert store.fail(pictured, tokens[pictured], {"title": "t"}, pictures)
    row = get(store, pictured)
    assert (row.state, row.results, row.token, row.error) == ("failed", pictures, tokens[pictured], {"title": "t"})
    assert not store.fail(pictured, tokens[pictured], {"title": "u"}, None)  # the job has ended
    assert get(store, pictured).results == pictures
    assert store.fail(plain, tokens[plain], {"title": "t"}, [])
    assert get(store, plain).results is None
    assert store.delete("local", gone)
    assert not store.fail(gone, tokens[gone], {"title": "t"}, pictures)


def test_maintenance_fails_overdue_jobs_and_releases_stale_ones(store: JobStore, clock: Clock) -> None:
    overdue, stale, fresh = (create(store) for _ in range(3))
    token = store.claim(overdue, "w")
    assert token is not None
    clock.now += 580
    assert store.heartbeat(overdue, token.token)
    assert store.claim(fresh, "w")
    late = store.claim(stale, "w")
    assert late is not None
    clock.now += 50
    assert store.heartbeat(fresh, 1)
    assert row_maintenance.end_overdue(store) == [overdue]
    assert row_maintenance.release_stale(store) == [stale]
    assert get(store, overdue).error["type"] == "/problems/deadline_exceeded"
    row = get(store, stale)
    assert (row.state, row.enqueued_at, row.attempt) == ("queued", clock.now, 1)
    assert not store.heartbeat(stale, late.token)
    assert row_maintenance.release_all(store) == 1
    assert get(store, fresh).state == "queued"


def test_maintenance_fails_a_stale_job_without_attempts_left(store: JobStore, clock: Clock) -> None:
    job_id = create(store)
    for _ in range(3):
        assert store.claim(job_id, "w")
        clock.now += 60
        assert row_maintenance.release_stale(store) == [job_id]
    assert get(store, job_id).error["type"] == "/problems/attempts_exhausted"


def test_a_worker_that_stops_uses_up_no_attempt(store: JobStore) -> None:
    job_id = create(store)
    for _ in range(5):
        claim = store.claim_next("w")
        assert claim is not None
        assert (claim.job_id, claim.attempt) == (job_id, 1)
        assert store.release(job_id, claim.token)
        assert not store.release(job_id, claim.token)
    assert (get(store, job_id).state, get(store, job_id).attempt) == ("queued", 0)


def test_after_passing_faults_a_job_waits_ever_longer_and_fails_in_the_end(store: JobStore, clock: Clock) -> None:
    job_id, begin = create(store), clock.now
    pauses = []
    for _ in range(12):
        claim = store.claim_next("w")
        assert claim is not None
        assert claim.attempt == 1
        assert store.release_after_fault(claim, {"title": "full"})
        assert store.claim_next("w") is None
        assert get(store, job_id).error == {"title": "full"}
        pauses.append(get(store, job_id).enqueued_at - clock.now)
        clock.now += pauses[-1]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 300]
    last = store.claim_next("w")
    assert last is not None
    assert get(store, job_id).error is None
    assert not store.release_after_fault(last, {"title": "full"})
    row = get(store, job_id)
    assert (row.state, row.error, row.finished_at) == ("failed", {"title": "full"}, begin + 2115)


def test_the_tenants_take_turns(store: JobStore, clock: Clock) -> None:
    for tenant, count in (("a", 5), ("b", 1), ("c", 2)):
        for _ in range(count):
            clock.now += 1
            create(store, tenant)
    order = []
    while (claim := store.claim_next("w")) is not None:
        clock.now += 1
        with store.sessions() as session:
            row = session.get(JobRow, claim.job_id)
        assert row is not None
        order.append(row.tenant)
    assert "".join(order) == "abcacaaa"


def test_of_a_tenants_jobs_the_oldest_comes_first(store: JobStore, clock: Clock) -> None:
    ids = []
    for _ in range(3):
        clock.now += 1
        ids.append(create(store))
    first = store.claim_next("w")
    assert first is not None
    assert store.release(first.job_id, first.token)
    claims = [store.claim_next("w") for _ in range(3)]
    assert [claim.job_id for claim in claims if claim] == ids


def test_many_workers_share_the_jobs(store: JobStore) -> None:
    ids = {create(store, f"tenant-{i % 3}") for i in range(12)}
    taken: list[str] = []

    def work(name: str) -> None:
        while (claim := store.claim_next(name)) is not None:
            taken.append(claim.job_id)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(ids)


def test_a_worker_leaves_a_job_that_a_newer_gateway_wrote_to_newer_workers(store: JobStore) -> None:
    newer = new_row(uuid.uuid4().hex)
    newer.params, newer.contract = {"vertebra": "L1", "not_yet_invented": 1}, CONTRACT + 1
    store.create(newer)
    assert store.claim_next("old") is None
    assert store.claim(newer.id, "old") is None
    older = create(store)
    claim = store.claim_next("old")
    assert claim is not None
    assert claim.job_id == older
    assert (get(store, newer.id).state, get(store, newer.id).attempt) == ("queued", 0)
    claim = store.claim_next("new", CONTRACT + 1)
    assert claim is not None
    assert (claim.job_id, claim.params["not_yet_invented"]) == (newer.id, 1)


def test_a_worker_that_takes_no_job_although_jobs_wait_is_deaf(store: JobStore, clock: Clock) -> None:
    def beat() -> None:
        clock.now += 5
        for name in ("busy", "deaf"):
            worker_registry.register(store, worker_registry.WorkerReport(name, "1", {}))
        if claim is not None:
            assert store.heartbeat(claim.job_id, claim.token)

    claim = None
    beat()
    first, _ = create(store), create(store)
    claim = store.claim(first, "busy")
    beat()
    assert list_deaf(store, 15, 10) == []  # the second job has not waited for long
    beat()
    beat()
    assert list_deaf(store, 15, 10) == ["deaf"]
    assert claim is not None
    assert store.succeed(first, claim.token, results=[], timings={}, bundle_version="")
    assert list_deaf(store, 15, 10) == ["deaf"]  # the other has only just finished
    assert store.claim_next("deaf")
    assert list_deaf(store, 15, 10) == []


def test_a_worker_is_not_deaf_to_jobs_that_it_cannot_read(store: JobStore, clock: Clock) -> None:
    worker_registry.register(store, worker_registry.WorkerReport("old", "1", {}))
    newer = new_row(uuid.uuid4().hex)
    newer.contract = CONTRACT + 1
    store.create(newer)
    clock.now += 60
    worker_registry.register(store, worker_registry.WorkerReport("old", "1", {}))
    assert list_deaf(store, 15, 10) == []


def test_one_clock_writes_all_times(engine: Engine) -> None:
    """The database's clock on PostgreSQL; SQLite is on one machine."""
    store = JobStore(engine, max_attempts=3, stale_after_s=45, deadline_s=540)
    before = time.time()
    row = store.create(new_row(uuid.uuid4().hex))
    assert before - 1 <= row.created_at <= time.time() + 1  # the test's PostgreSQL runs on this machine
    claim = store.claim_next("w")
    assert claim is not None
    assert store.heartbeat(row.id, claim.token)
    assert row_maintenance.release_stale(store) == []
    assert row_maintenance.end_overdue(store) == []
    running = get(store, row.id)
    assert running.started_at is not None
    assert running.deadline == pytest.approx(running.started_at + 570, abs=1)
    is_local = isinstance(store.clock(), float)
    assert is_local == (engine.dialect.name == "sqlite")


def test_a_job_may_ask_for_a_shorter_run(store: JobStore, clock: Clock) -> None:
    short = new_row(uuid.uuid4().hex)
    short.longest_run_s = 20
    store.create(short)
    usual = create(store)
    claims = [store.claim(job_id, "w") for job_id in (short.id, usual)]
    assert [claim.longest_run_s for claim in claims if claim] == [20, 540]
    assert [get(store, job_id).deadline for job_id in (short.id, usual)] == [clock.now + 50, clock.now + 570]
    clock.now += 51
    assert row_maintenance.end_overdue(store) == [short.id]


def test_retention(store: JobStore, clock: Clock) -> None:
    done, gone, open_job = (create(store) for _ in range(3))
    claim = store.claim(done, "w")
    assert claim is not None
    assert store.succeed(done, claim.token, results=[], timings={}, bundle_version="")
    assert store.delete("local", gone)
    assert row_maintenance.list_expired(store, 3600) == []
    clock.now += 1000
    assert row_maintenance.list_expired(store, 3600) == [gone]
    clock.now += 3000
    assert set(row_maintenance.list_expired(store, 3600)) == {done, gone}
    row_maintenance.purge(store, done)
    row_maintenance.purge(store, open_job)
    assert store.get("local", done) is None
    assert store.get("local", open_job) is not None
    assert row_maintenance.tokens_of(store, [done, open_job]) == {open_job: (0, None)}


def test_a_tenant_may_have_a_retention_of_its_own(store: JobStore, clock: Clock) -> None:
    ids = {tenant: create(store, tenant) for tenant in ("short", "long", "usual")}
    for job_id in ids.values():
        claim = store.claim(job_id, "w")
        assert claim is not None
        assert store.fail(job_id, claim.token, {"title": "t"})
    own = {"short": 100.0, "long": 10_000.0}
    for passed, expired in ((50, set()), (100, {"short"}), (900, {"short", "usual"}), (10_000, set(ids))):
        clock.now += passed
        assert set(row_maintenance.list_expired(store, 1000, own)) == {ids[tenant] for tenant in expired}


def test_worker_registry(store: JobStore, clock: Clock) -> None:
    report = worker_registry.WorkerReport("h:1", "1", {"numpy": "2"})
    worker_registry.register(store, report)
    clock.now += 10
    worker_registry.register(store, replace(report, peak_memory_bytes=7))
    assert [(row.name, row.peak_memory_bytes) for row in worker_registry.list_alive(store, 5)] == [("h:1", 7)]
    clock.now += 10
    assert worker_registry.list_alive(store, 5) == []
    worker_registry.forget_silent(store, 5)
    assert worker_registry.list_alive(store, 1e9) == []


def test_many_processes_may_create_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    failures: list[BaseException] = []

    def connect() -> None:
        try:
            open_database(url).dispose()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=connect) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_stage_times_add_up(store: JobStore) -> None:
    for timings in ({"solve": 1.5}, {"solve": 2.0, "morph": 0.25}):
        worker_figures.note_stages(store, timings)
    assert stage_times(store) == {"solve": (2, 3.5), "morph": (1, 0.25)}


def test_queue_age_and_last_claim(store: JobStore, clock: Clock) -> None:
    assert (queue_age(store), last_claim(store)) == (0.0, None)
    create(store)
    clock.now += 30
    create(store)
    clock.now += 12
    worker_registry.register(store, worker_registry.WorkerReport("h:1", "1", {}))
    worker_figures.note_claim(store, "h:1")
    assert (queue_age(store), last_claim(store)) == (42.0, clock.now)


def test_a_ct_that_arrives_is_recorded_by_the_attempt_that_fetched_it_within_the_limits(engine: Engine) -> None:
    store = JobStore(engine, max_attempts=3, stale_after_s=45, deadline_s=540, limits=TenantLimits(stored_bytes=1000))
    row = new_row(uuid.uuid4().hex, "local")
    row.ct_archive, row.ct_reference_sha256, row.ct_size = "pacs", row.ct_sha256, 70
    job_id = store.create(row).id
    claim = store.claim(job_id, "worker")
    assert claim is not None
    assert claim.ct_is_away
    with pytest.raises(TooManyStoredBytes):
        store.ct_arrived(claim, 2000, "f" * 64)
    assert store.get("local", job_id).ct_size == 70
    assert store.ct_arrived(claim, 900, "f" * 64)
    assert store.release(job_id, claim.token)
    assert not store.ct_arrived(claim, 800, "e" * 64)
    again = store.claim(job_id, "worker")
    assert again is not None
    assert not again.ct_is_away
    assert again.ct_token == claim.token != again.token
    row = store.get("local", job_id)
    assert (row.ct_size, row.ct_sha256) == (900, "f" * 64)


def test_of_cts_that_arrive_together_each_counts_the_others(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JobStore(engine, max_attempts=3, stale_after_s=45, deadline_s=540, limits=TenantLimits(stored_bytes=1000))
    for _ in range(2):
        row = new_row(uuid.uuid4().hex, "local")
        row.ct_archive, row.ct_reference_sha256, row.ct_size, row.mask_size = "pacs", row.ct_sha256, 70, None
        store.create(row)
    counted, count = threading.Barrier(2, timeout=1.0), tenant_limits.usage

    def usage(session: Session, tenant: str) -> tenant_limits.Usage:
        found = count(session, tenant)
        with suppress(threading.BrokenBarrierError):  # the other waits until this one has ended
            counted.wait()
        return found

    def arrive(claim: Claim) -> str:
        try:
            return str(store.ct_arrived(claim, 800, uuid.uuid4().hex * 2))
        except TooManyStoredBytes:
            return "too many"

    monkeypatch.setattr(tenant_limits, "usage", usage)
    claims = [claim for _ in range(2) if (claim := store.claim_next("worker"))]
    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(arrive, claims)) == ["True", "too many"]
