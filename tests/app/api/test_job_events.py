"""Ways to wait for a job instead of polling it: server-sent events, and the preference `wait`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from app.api import job_events, job_watch, prefer
from app.api.prefer import LONGEST_WAIT_S, preferred_wait
from app.jobs.rows import JobRow
from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import PATIENCE_S, check_problem, fail, finish, post, wait_for

REPORT = {"report.json": (b"{}", "application/json")}


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_watch, "LOOK_EVERY_S", 0.02)


@pytest.mark.parametrize(("percent", "pause_s"), [(0.0, 0.02), (84.9, 0.02), (88.0, 0.01), (99.0, 0.01)])
def test_a_job_that_is_nearly_done_is_looked_at_more_often(monkeypatch, percent, pause_s):
    monkeypatch.setattr(job_watch, "LOOK_SOON_S", 0.01)
    assert job_watch.pause_after(JobRow(percent=percent)) == pause_s


class Stream:
    """The events of a job, as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def block(self) -> list[str]:
        """Return the lines up to the next empty one; no lines at the end of the stream."""
        lines: list[str] = []
        for line in self._lines:
            if not line:
                return lines
            lines.append(line)
        return lines

    def event(self) -> tuple[str, dict[str, Any]] | None:
        """Return id and job of the next event; None at the end of the stream."""
        while block := self.block():
            fields = dict(line.split(": ", 1) for line in block)
            if "data" in fields:
                assert fields["event"] == "job"
                return fields["id"], json.loads(fields["data"])
        return None

    def rest(self) -> list[tuple[str, dict[str, Any]]]:
        return list(iter(self.event, None))  # type: ignore[arg-type]


@contextmanager
def following(client: httpx.Client, job: dict[str, Any], last: str | None = None) -> Iterator[Stream]:
    headers = {"Last-Event-ID": last} if last else {}
    with client.stream("GET", f"{job['links']['self']}/events", headers=headers, timeout=PATIENCE_S) as response:
        yield Stream(response)


def test_each_change_is_an_event_and_the_last_one_ends_the_stream(client: httpx.Client, settings: Settings) -> None:
    job = post(client).json()
    store = open_store(settings)
    with following(client, job) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert stream.response.headers["cache-control"] == "no-store"
        assert stream.block() == ["retry: 2000"]
        first = stream.event()
        assert first is not None
        assert first[1] == job
        claim = store.claim(job["id"], "test")
        assert claim is not None
        seen = [stream.event()]
        for stage, percent in (("read", 5.0), ("morph", 40.0)):
            store.progress(claim.job_id, claim.token, stage, percent)
            seen.append(stream.event())
        store.heartbeat(claim.job_id, claim.token)  # no change that a client sees
        store.succeed(claim.job_id, claim.token, results=[], timings={}, bundle_version="1")
        seen += stream.rest()
    states = [(body["state"], body["stage"], body["percent"]) for _, body in filter(None, seen)]
    assert states == [("running", None, 0), ("running", "read", 5), ("running", "morph", 40), ("succeeded", None, 100)]
    store.engine.dispose()


def test_a_client_that_comes_back_gets_what_it_has_not_seen(client: httpx.Client, settings: Settings) -> None:
    job = post(client).json()
    with following(client, job) as stream:
        event = stream.event()
        assert event is not None
    last = event[0]
    fail(settings, job["id"], {"type": "/problems/bad_mask", "title": "t", "status": 422, "detail": "d"})
    with following(client, job, last) as stream:
        ((final, body),) = stream.rest()
        assert (body["state"], body["error"]["title"]) == ("failed", "t")
    with following(client, job, final) as stream:
        assert stream.response.status_code == 204  # tells a browser not to come again
    with following(client, job, "unknown") as stream:
        assert [seen for seen, _ in stream.rest()] == [final]


def test_nothing_is_repeated_to_a_client_that_has_seen_it(
    client: httpx.Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_events, "KEEP_ALIVE_S", 0.05)
    job = post(client).json()
    with following(client, job) as stream:
        event = stream.event()
        assert event is not None
    with following(client, job, event[0]) as stream:
        assert [stream.block() for _ in range(3)] == [["retry: 2000"], [": still here"], [": still here"]]
        client.delete(job["links"]["self"])
        assert stream.rest() == []
    check_problem(client.get(f"{job['links']['self']}/events"), 404, "job_not_found")


def test_a_stream_ends_so_that_the_credential_is_looked_at_again(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_events, "LONGEST_STREAM_S", 0.0)
    with following(client, post(client).json()) as stream:
        assert len(stream.rest()) == 1


def test_events_are_the_tenants_own(client: httpx.Client, stranger: httpx.Client, nobody: httpx.Client) -> None:
    path = f"{post(client).json()['links']['self']}/events"
    check_problem(stranger.get(path), 404, "job_not_found")
    check_problem(nobody.get(path), 401, "unauthorized")


def test_many_streams_need_no_threads_and_their_number_is_bounded(
    gateway: str, client: httpx.Client, stranger: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "MOST_WAITS_A_TENANT", 30)
    monkeypatch.setattr(job_events, "KEEP_ALIVE_S", 5.0)
    monkeypatch.setattr(job_events, "LONGEST_STREAM_S", 300.0)
    job = post(client).json()
    with following(client, job) as stream:  # the threads that everything needs are there
        stream.event()
    before = threading.active_count()
    with ExitStack() as stack:
        headers = {"X-API-Key": "key-a"}
        many = stack.enter_context(
            httpx.Client(base_url=gateway, headers=headers, limits=httpx.Limits(), timeout=PATIENCE_S)
        )
        streams = [stack.enter_context(following(many, job)) for _ in range(30)]
        assert all(stream.event() for stream in streams)
        assert threading.active_count() <= before + len(streams) // 2  # a busy machine starts some for the requests
        with following(many, job) as stream:
            refused = stream.response
            refused.read()
        assert check_problem(refused, 503, "too_many_waits")["expected"]
        assert refused.headers["retry-after"]
        assert many.get(job["links"]["self"], headers={"Prefer": "wait=30"}).headers.get("preference-applied") is None
        other = post(stranger).json()
        streams.append(stack.enter_context(following(stranger, other)))
        assert streams[-1].event()

    def has_room() -> bool:
        with following(client, job) as stream:
            return stream.response.status_code == 200

    wait_for(has_room, "room for another stream")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (None, None),
        (["wait=10"], 10),
        (["respond-async, wait=10"], 10),
        (["handling=lenient", 'WAIT="7"; x=1'], 7),
        (["wait=5, wait=9"], 5),
        (["wait=99999999999999999999999"], LONGEST_WAIT_S),
        (["wait=0"], 0),
        (["wait"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=x"], None),
        (["wait=²"], None),
        (["await=3"], None),
    ],
)
def test_the_preference_is_read_as_rfc_7240_says(headers: list[str] | None, seconds: int | None) -> None:
    assert preferred_wait(headers) == seconds


def test_an_answer_waits_until_the_job_has_ended(client: httpx.Client, settings: Settings) -> None:
    job = post(client).json()
    with ThreadPoolExecutor() as pool:
        headers = {"Prefer": "wait=60"}
        answer = pool.submit(client.get, job["links"]["self"], headers=headers, timeout=PATIENCE_S)
        finish(settings, job["id"], REPORT)
        response = answer.result()
    assert response.json()["state"] == "succeeded"
    assert response.headers["preference-applied"] == "wait=60"


def test_an_answer_waits_no_longer_than_the_client_likes(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefer, "LONGEST_WAIT_S", 1)
    job = post(client).json()
    response = client.get(job["links"]["self"], headers={"Prefer": "wait=1000"}, timeout=PATIENCE_S)
    unasked = {"queue_place": None}  # a look at the queue is shared for a while, so the place may have changed since
    assert response.json() | unasked == job | unasked
    assert response.headers["preference-applied"] == "wait=1"
    assert "preference-applied" not in client.get(job["links"]["self"], headers={"Prefer": "wait=soon"}).headers


def test_a_submission_may_wait_for_its_end(client: httpx.Client, settings: Settings) -> None:
    key = {"Idempotency-Key": "waits"}
    response = post(client, headers={"Prefer": "wait=1"} | key, timeout=PATIENCE_S)
    assert (response.status_code, response.json()["state"]) == (202, "queued")
    assert response.headers["preference-applied"] == "wait=1"
    with ThreadPoolExecutor() as pool:
        headers = {"Prefer": "wait=60"} | key
        answer = pool.submit(post, client, headers=headers, timeout=PATIENCE_S)
        finish(settings, response.json()["id"], REPORT)
        response = answer.result()
    assert (response.status_code, response.json()["state"]) == (200, "succeeded")
    assert response.headers["location"] == response.json()["links"]["self"]
