"""Place in the queue and time left, as clients see them: in answers, in the list and in events."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from app.api import job_watch, outlook_reader
from app.jobs.settings import Settings
from app.jobs.store import JobStore, open_store
from app.jobs.worker_registry import WorkerReport, register
from tests.app.api.test_job_events import following
from tests.app.harness import finish, post


@pytest.fixture(autouse=True)
def always_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (job_watch, "LOOK_EVERY_S"), (outlook_reader, "LOOK_EVERY_S"), (outlook_reader, "RECENT_EVERY_S"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 0.0)


@pytest.fixture
def store(settings: Settings) -> Iterator[JobStore]:
    store = open_store(settings)
    yield store
    store.engine.dispose()


def outlook(job: dict) -> tuple[str, int | None, int | None]:
    return job["state"], job["queue_place"], job["seconds_left"]


def test_a_job_tells_its_place_and_the_time_left_where_it_is_known(
    client: httpx.Client, settings: Settings, store: JobStore
) -> None:
    for _ in range(2):
        finish(settings, post(client).json()["id"], {})
    first, second = (post(client).json() for _ in range(2))
    assert [outlook(job) for job in (first, second)] == [("queued", 1, None), ("queued", 2, None)]
    finish(settings, first["id"], {})  # the third job like it, each took 1.5 s
    register(store, WorkerReport("w", "b", {}))
    path = second["links"]["self"]
    assert outlook(client.get(path).json()) == ("queued", 1, 2)
    third = post(client).json()
    assert outlook(third) == ("queued", 2, 3)
    assert outlook(post(client, params={"fidelity": "fe"}).json()) == ("queued", 3, None)
    listed = client.get("/v1/jobs", params={"state": "queued"}).json()["jobs"]
    assert [outlook(job) for job in listed] == [("queued", 3, None), ("queued", 2, 3), ("queued", 1, 2)]
    with following(client, third) as stream:
        event = stream.event()
        assert event is not None
        assert outlook(event[1]) == ("queued", 2, 3)
        cancelled = client.post(f"{path}/cancel").json()
        moved = stream.event()
        assert moved is not None
        assert outlook(moved[1]) == ("queued", 1, 2)
        assert moved[0] != event[0]
    assert outlook(cancelled) == ("cancelled", None, None)
    assert store.claim(third["id"], "w")
    state, place, left = outlook(client.get(third["links"]["self"]).json())
    assert (state, place) == ("running", None)
    assert left in (None, 1, 2)  # nothing once it runs for longer than the others did
