from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
import redis

from app.api.services import Services
from app.contract.errors import BrokerUnavailable
from app.jobs.blobs import BlobStore
from app.jobs.queue import JobQueue
from app.jobs.reconciler import Reconciler
from app.jobs.settings import QUEUE_NAME, Settings
from app.jobs.store import JobStore, open_store
from app.jobs.sweeper import SLICE, Sweeper
from tests.app.harness import FAST, PATIENCE_S, Broker, new_row, wait_for


@pytest.fixture
def settings(broker: Broker, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        broker_url=broker.url,
        retention_hours=0.0001,
        orphan_after_s=100,
        tenant_retention_hours={"archive": 1000},
        **FAST,
    )


@pytest.fixture
def store(settings: Settings) -> JobStore:
    forget_messages(settings)  # those of other tests
    return open_store(settings)


@pytest.fixture
def blobs(settings: Settings) -> BlobStore:
    return BlobStore(settings.storage)


def put(blobs: BlobStore, key: str) -> Path:
    with blobs.writer(key) as writer:
        writer.write(b"x")
        writer.commit()
    return Path(blobs.path(key))


def test_retention_purges_rows_and_files(settings: Settings, store: JobStore, blobs: BlobStore) -> None:
    store.create(new_row("a" * 32))
    path = put(blobs, f"jobs/{'a' * 32}/input/ct")
    store.create(new_row("b" * 32, tenant="archive"))
    for job_id in ("a" * 32, "b" * 32):
        claim = store.claim(job_id, "w")
        assert claim is not None
        assert store.fail(job_id, claim.token, {"title": "t"})
    time.sleep(0.5)
    sweeper = Sweeper(settings, store, blobs)
    sweeper.purge_expired()
    sweeper.purge_expired()
    assert store.get("local", "a" * 32) is None
    assert not path.parent.parent.exists()
    assert store.get("archive", "b" * 32) is not None


def test_sweep_removes_orphans_and_old_attempts(settings: Settings, store: JobStore, blobs: BlobStore) -> None:
    orphan, young, known = "0" * 32, "1" * 32, "2" * 32
    old = put(blobs, f"jobs/{orphan}/input/ct")
    for path in (old, old.parent, old.parent.parent):
        os.utime(path, (1, 1))
    put(blobs, f"jobs/{young}/input/ct")
    store.create(new_row(known))
    claims = [store.claim(known, "w")]
    assert store.release(known, 1)
    claims.append(store.claim(known, "w"))
    assert claims[1] is not None
    assert claims[1].token == 3
    put(blobs, f"jobs/{known}/results-1/x")
    put(blobs, f"jobs/{known}/results-3/x")
    put(blobs, f"jobs/{known}/input/ct")
    for token in (1, 2, 3):
        put(blobs, f"jobs/{known}/fetched-{token}/ct")
    assert store.ct_arrived(claims[1], 3, "f" * 64)
    assert store.release(known, 3)
    assert store.claim(known, "w")
    put(blobs, f"jobs/{known}/fetched-5/ct")
    Sweeper(settings, store, blobs).sweep_storage()
    assert blobs.folders("jobs") == [young, known]
    assert blobs.folders(f"jobs/{known}") == ["fetched-3", "fetched-5", "input"]


def test_the_pictures_of_a_failed_job_stay_until_its_retention_ends(
    settings: Settings, store: JobStore, blobs: BlobStore
) -> None:
    job_id = "c" * 32
    store.create(new_row(job_id))
    claim = store.claim(job_id, "w")
    assert claim is not None
    picture = put(blobs, f"jobs/{job_id}/results-{claim.token}/spine.png")
    put(blobs, f"jobs/{job_id}/results-{claim.token - 1}/spine.png")
    assert store.fail(job_id, claim.token, {"title": "t"}, [{"name": "spine.png"}])
    sweeper = Sweeper(settings, store, blobs)
    sweeper.sweep_storage()
    assert blobs.folders(f"jobs/{job_id}") == [f"results-{claim.token}"]
    time.sleep(0.5)
    sweeper.purge_expired()
    assert not picture.exists()
    assert blobs.folders("jobs") == []


@pytest.mark.timeout(PATIENCE_S)
def test_messages_that_the_queue_lost_are_sent_again(settings: Settings, store: JobStore) -> None:
    queue = JobQueue(settings)
    forget_messages(settings)  # those of other tests
    away = settings.model_copy(update={"broker_url": Settings(broker_url="redis://127.0.0.1:1/0").broker_url})
    for i in range(3):
        store.create(new_row(str(i) * 32))
    Reconciler(settings, store, queue).check_rows()
    assert queue.length() == 0  # the gateway that accepted the jobs sends their messages
    time.sleep(1.1)
    with pytest.raises(BrokerUnavailable):
        Reconciler(away, store, JobQueue(away)).check_rows()
    queue.send("0" * 32)
    for _ in range(3):  # as three gateways
        Reconciler(settings, store, queue).check_rows()
    assert queue.length() == 3
    with redis.Redis.from_url(settings.broker) as client:
        client.flushdb()
    Reconciler(settings, store, queue).check_rows()
    assert queue.length() == 3
    forget_messages(settings)


def test_a_job_of_a_silent_worker_gets_a_message_at_once(settings: Settings, store: JobStore) -> None:
    store.create(new_row("d" * 32))
    assert store.claim_next("w")
    store.stale_after_s = 0.0
    time.sleep(0.01)
    queue = JobQueue(settings)
    Reconciler(settings, store, queue).check_rows()
    assert queue.length() == 1
    forget_messages(settings)


def test_a_sweep_of_many_folders_does_not_delay_the_reconciler(
    settings: Settings, store: JobStore, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep waits in the middle of the first folder, and a silent worker's job is queued again meanwhile."""
    folders = 2 * SLICE + 3
    for i in range(folders):
        folder = Path(blobs.path(f"jobs/{i:032x}"))
        folder.mkdir(parents=True)
        os.utime(folder, (1, 1))
    Path(blobs.path("jobs/no id")).mkdir()
    os.utime(blobs.path("jobs/no id"), (1, 1))
    reached, go_on = threading.Event(), threading.Event()
    delete_tree = BlobStore.delete_tree

    def slow(self: BlobStore, prefix: str) -> None:
        reached.set()
        assert go_on.wait(PATIENCE_S)
        delete_tree(self, prefix)

    monkeypatch.setattr(BlobStore, "delete_tree", slow)
    services = Services.open(settings)
    services.start()
    try:
        assert reached.wait(PATIENCE_S)
        job_id = "f" * 32
        store.create(new_row(job_id))
        assert store.claim(job_id, "w")  # the worker is silent from now on
        wait_for(lambda: (row := store.get("local", job_id)) and row.state == "queued", "the reconciler")
        assert len(blobs.folders("jobs")) == folders + 1
        go_on.set()
        wait_for(lambda: blobs.folders("jobs") == [], "the sweep")
    finally:
        go_on.set()
        services.close()


def test_a_sweep_stops_between_two_slices(settings: Settings, store: JobStore, blobs: BlobStore) -> None:
    for i in range(SLICE + 1):
        Path(blobs.path(f"jobs/{i:032x}")).mkdir(parents=True)
        os.utime(blobs.path(f"jobs/{i:032x}"), (1, 1))
    sweeper = Sweeper(settings, store, blobs)
    sweeper.stop()
    sweeper.sweep_storage()
    assert len(blobs.folders("jobs")) == SLICE + 1


def test_a_database_that_was_away_makes_no_worker_silent(settings: Settings, store: JobStore) -> None:
    store.create(new_row("d" * 32))
    claim = store.claim_next("w")
    assert claim is not None
    store.stale_after_s = 2.0
    reconciler = Reconciler(settings, store, JobQueue(settings))
    reconciler.check_rows()
    time.sleep(2.2)  # the database hangs for workers and reconciler alike
    reconciler.check_rows()
    assert store.is_current(claim.job_id, claim.token)

    def released() -> bool:
        reconciler.check_rows()
        return not store.is_current(claim.job_id, claim.token)

    wait_for(released, "the worker that stays silent after that")
    forget_messages(settings)


def forget_messages(settings: Settings) -> None:
    with redis.Redis.from_url(settings.broker) as client:
        client.delete(QUEUE_NAME)
