from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.contract.errors import BrokerUnavailable
from app.jobs.blobs import BlobStore
from app.jobs.queue import JobQueue
from app.jobs.reconciler import Reconciler
from app.jobs.settings import Settings
from app.jobs.store import JobStore, open_store
from tests.app.harness import FAST, PATIENCE_S, Broker, new_row


@pytest.fixture
def settings(broker: Broker, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, broker_url=broker.url, retention_hours=0.0001, orphan_after_s=100, **FAST)


@pytest.fixture
def store(settings: Settings) -> JobStore:
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
    claim = store.claim("a" * 32, "w")
    assert claim is not None
    assert store.fail("a" * 32, claim.token, {"title": "t"})
    time.sleep(0.5)
    reconciler = Reconciler(settings, store, blobs, JobQueue(settings))
    reconciler.check_rows()
    reconciler.check_rows()
    assert store.get("local", "a" * 32) is None
    assert not path.parent.parent.exists()


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
    Reconciler(settings, store, blobs, JobQueue(settings)).sweep_storage()
    assert blobs.folders("jobs") == [young, known]
    assert blobs.folders(f"jobs/{known}") == ["input", "results-3"]


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
    reconciler = Reconciler(settings, store, blobs, JobQueue(settings))
    reconciler.sweep_storage()
    assert blobs.folders(f"jobs/{job_id}") == [f"results-{claim.token}"]
    time.sleep(0.5)
    reconciler.check_rows()
    assert not picture.exists()
    assert blobs.folders("jobs") == []


@pytest.mark.timeout(PATIENCE_S)
def test_an_unreachable_queue_keeps_the_job_waiting(settings: Settings, store: JobStore, blobs: BlobStore) -> None:
    away = settings.model_copy(update={"broker_url": Settings(broker_url="redis://127.0.0.1:1/0").broker_url})
    store.create(new_row("b" * 32))
    store.mark_not_enqueued("b" * 32)
    with pytest.raises(BrokerUnavailable):
        Reconciler(away, store, blobs, JobQueue(away)).check_rows()
    row = store.get("local", "b" * 32)
    assert row is not None
    assert row.enqueued_at is None
    Reconciler(settings, store, blobs, JobQueue(settings)).check_rows()
    row = store.get("local", "b" * 32)
    assert row is not None
    assert row.enqueued_at is not None
