"""The event stream of all jobs of a tenant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from app.api import event_stream, job_watch, tenant_events
from app.jobs import changes
from app.jobs.changes import changed_jobs
from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import PATIENCE_S, check_problem, fail, new_row, post
from tests.app.postgres_server import ready_database

PROBLEM = {"type": "/problems/bad_mask", "title": "t", "status": 422, "detail": "d"}
Event = tuple[str, str, Any]


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_events, "LOOK_EVERY_S", 0.02)


@contextmanager
def following(client: httpx.Client, last: str | None = None) -> Iterator[Iterator[Event]]:
    """Yield the events as they come: name, id, data; the beginning has an empty name."""
    headers = {"Last-Event-ID": last} if last else {}
    with client.stream("GET", "/v1/events", headers=headers, timeout=PATIENCE_S) as response:
        assert response.headers["content-type"].startswith("text/event-stream")

        def events() -> Iterator[Event]:
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif not line and "id" in fields:
                    yield fields.get("event", ""), fields["id"], json.loads(fields.get("data", "null"))
                    fields = {}

        yield events()


def test_every_change_of_every_job_is_told_and_nobody_elses(
    client: httpx.Client, stranger: httpx.Client, settings: Settings
) -> None:
    before = post(client).json()["id"]
    store = open_store(settings)
    with following(client) as events:
        assert next(events)[0] == ""
        post(stranger)
        one, two = post(client).json(), post(client).json()
        told = [next(events)[2] for _ in range(2)]
        assert [job["id"] for job in told] == [one["id"], two["id"]]
        assert told[0] == one
        claim = store.claim(before, "test")  # one that was there already
        assert claim is not None
        assert [(job["id"], job["state"]) for _, _, job in [next(events)]] == [(before, "running")]
        store.progress(before, claim.token, "morph", 40.0)
        assert next(events)[2]["percent"] == 40.0
        store.heartbeat(before, claim.token)  # no change that a client sees
        store.release(before, claim.token)
        assert next(events)[2]["state"] == "queued"
        fail(settings, one["id"], PROBLEM)
        end = next(event for event in events if event[2]["state"] == "failed")  # it may have been seen running
        assert end[2]["error"]["title"] == "t"
        client.delete(f"/v1/jobs/{two['id']}")
        assert next(events)[::2] == ("deleted", {"id": two["id"]})
    store.engine.dispose()


def test_a_client_that_comes_back_misses_nothing(client: httpx.Client, settings: Settings) -> None:
    with following(client) as events:
        moment = next(events)[1]
        first = post(client).json()
        assert next(events)[2]["id"] == first["id"]
    fail(settings, first["id"], PROBLEM)
    second = post(client).json()
    with following(client, moment) as events:
        found: dict[str, str] = {}
        while not {first["id"], second["id"]} <= set(found):
            _, last, job = next(events)
            found[job["id"]] = job.get("state", "deleted")
        assert (found[first["id"]], found[second["id"]]) == ("failed", "queued")
        assert float(last) >= float(moment)
    check_problem(client.get("/v1/events", headers={"Last-Event-ID": "abc"}), 422, "invalid_parameters")


def test_it_ends_and_is_bounded(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_events, "LONGEST_STREAM_S", 0.0)
    assert client.get("/v1/events").text == event_stream.RECONNECT
    monkeypatch.setattr(job_watch, "MOST_WAITS_A_TENANT", 0)
    check_problem(client.get("/v1/events"), 503, "too_many_waits")


def test_a_long_absence_is_told_in_batches(empty_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "BATCH", 3)
    monkeypatch.setattr(changes, "OVERLAP_S", 0.0)
    store = open_store(empty_settings)
    ids = [f"{number:032x}" for number in range(8)]
    for job_id in ids:
        store.create(new_row(job_id))
    since, seen, looks = 0.0, [], 0
    while True:
        found = changed_jobs(store, "local", since)
        seen += [row.id for row in found.rows if row.id not in seen]
        since, looks = found.until, looks + 1
        if found.is_all:
            break
    assert (seen, looks) == (ids, 4)
    assert changed_jobs(store, "local", None).rows == []
    assert changed_jobs(store, "another", 0.0).rows == []
    store.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_settings(request: pytest.FixtureRequest, tmp_path: Any) -> Settings:
    if request.param == "sqlite":
        return Settings(data_dir=tmp_path)
    return Settings(data_dir=tmp_path, database_url=ready_database(request.getfixturevalue("postgres_url")))
