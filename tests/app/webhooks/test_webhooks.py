"""Webhooks on a real gateway and a real receiver: signed, retried, logged, and none lost."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.identity.key_store import KeyOwner, KeyStore
from app.identity.principal import SCOPES
from app.jobs.audit import AuditFilter, AuditTrail
from app.jobs.database import open_database, upgrade_database
from app.jobs.rows import DeliveryRow
from app.jobs.settings import LOCAL_TENANT, Settings
from app.jobs.store import open_store
from app.webhooks import deliveries
from app.webhooks.deliveries import LEASE_S, DeliveryStore
from app.webhooks.sender import CONCURRENT, WebhookSender
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, fail, finish, new_row, running_gateway, wait_for
from tests.app.postgres_server import ready_database
from tests.app.webhooks.receiver import Message, Receiver, running_receiver

REPORT = {"report.json": (b"{}", "application/json")}


@pytest.fixture(scope="module")
def settings(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        broker_url=broker.url,
        api_keys=KEYS,
        stale_after_s=3600,
        webhook_allow="127.0.0.0/8",
    )


@pytest.fixture(scope="module")
def client(gateway: str, settings: Settings) -> Iterator[httpx.Client]:
    """Return a client of tenant a whose key has every scope."""
    headers = {"X-API-Key": new_key(settings, "tenant-a")}
    with httpx.Client(base_url=gateway, headers=headers, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "PAUSES_S", (0.0,) * 3)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def secret(client: httpx.Client) -> str:
    """Return the secret of tenant a."""
    made: str = client.post("/v1/webhook/secret").json()["secret"]
    return made


def new_key(settings: Settings, tenant: str) -> str:
    """Return a key of a tenant with every scope."""
    engine = open_database(settings.database)
    _, key = KeyStore(engine).create(KeyOwner(tenant, "all", frozenset(SCOPES)))
    engine.dispose()
    return key


def submit(client: httpx.Client, url: str | None) -> dict[str, Any]:
    files = [("ct", ("ct", b"ok")), *([("callback_url", (None, url))] if url is not None else [])]
    response = client.post("/v1/jobs", files=files)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    return job


def log_of(client: httpx.Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get("/v1/webhook/deliveries", params={"job_id": job["id"]}).json()["deliveries"]
    return rows


def ended(client: httpx.Client, job: dict[str, Any], state: str) -> dict[str, Any]:
    """Wait until the one message about a job has ended; return its entry in the log."""
    (entry,) = wait_for(lambda: [row for row in log_of(client, job) if row["state"] == state], f"{state} message")
    return dict(entry)


def check_signature(message: Message, secret: str) -> None:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.".encode() + message.body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert f"v1,{expected}" in message.headers["webhook-signature"].split(" ")


def test_a_job_that_ends_is_told_with_a_signature(
    client: httpx.Client, settings: Settings, receiver: Receiver, secret: str
) -> None:
    job = submit(client, receiver.url)
    assert job["callback_url"] == receiver.url
    assert log_of(client, job) == []
    finish(settings, job["id"], REPORT)
    entry = ended(client, job, "delivered")
    (message,) = receiver.messages
    check_signature(message, secret)
    assert message.path == "/hook?of=vertebra"
    assert message.headers["content-type"] == "application/json"
    assert message.headers["webhook-id"] == entry["id"]
    assert message.json == entry["message"]
    assert (message.json["type"], message.json["data"]["job_id"]) == ("job.succeeded", job["id"])
    assert message.json["data"]["links"]["results"] == f"/v1/jobs/{job['id']}/results"
    (attempt,) = entry["attempts"]
    assert (attempt["status"], attempt["error"], entry["next_attempt_at"]) == (204, None, None)


def test_a_failure_is_told_without_what_the_image_holds(
    client: httpx.Client, settings: Settings, receiver: Receiver, secret: str
) -> None:
    job = submit(client, receiver.url)
    problem = {"type": "/problems/bad_spacing", "title": "Bad spacing", "status": 422, "detail": "d", "got": "1000 mm"}
    fail(settings, job["id"], problem)
    message = ended(client, job, "delivered")["message"]
    assert message["type"] == "job.failed"
    assert message["data"]["error"] == {"type": "/problems/bad_spacing", "title": "Bad spacing", "status": 422}


def test_a_cancelled_job_is_told_and_a_deleted_one_is_not(
    client: httpx.Client, settings: Settings, receiver: Receiver, secret: str
) -> None:
    deleted, cancelled = submit(client, receiver.url), submit(client, receiver.url)
    client.delete(deleted["links"]["self"])
    assert client.post(f"{cancelled['links']['self']}/cancel").status_code < 300
    assert ended(client, cancelled, "delivered")["message"]["type"] == "job.cancelled"
    WebhookSender(settings, open_store(settings).engine).check()
    assert log_of(client, deleted) == []


def test_the_webhook_of_the_tenant_hears_of_jobs_that_name_none(
    client: httpx.Client, settings: Settings, receiver: Receiver, secret: str
) -> None:
    assert client.put("/v1/webhook", json={"url": receiver.url}).json()["url"] == receiver.url
    with running_receiver() as own:
        with_default, with_own = submit(client, None), submit(client, own.url)
        assert client.put("/v1/webhook", json={"url": None}).json() == {
            "url": None,
            "has_secret": True,
            "previous_secret_until": None,
        }
        untold = submit(client, None)
        for job in (untold, with_default, with_own):
            finish(settings, job["id"], REPORT)
        for job in (with_default, with_own):
            ended(client, job, "delivered")
        assert [len(receiver.about(with_default["id"])), len(own.about(with_own["id"]))] == [1, 1]
    assert log_of(client, untold) == []


def test_it_is_tried_again_until_the_receiver_takes_it(
    client: httpx.Client, settings: Settings, receiver: Receiver, secret: str
) -> None:
    receiver.statuses = [500, 302]
    job = submit(client, receiver.url)
    finish(settings, job["id"], REPORT)
    entry = ended(client, job, "delivered")
    assert [attempt["status"] for attempt in entry["attempts"]] == [500, 302, 204]
    assert {message.headers["webhook-id"] for message in receiver.messages} == {entry["id"]}


def test_it_is_given_up_after_the_last_attempt_and_can_be_sent_again(
    client: httpx.Client, stranger: httpx.Client, settings: Settings, receiver: Receiver, secret: str
) -> None:
    receiver.statuses = [503] * 4
    job = submit(client, receiver.url)
    finish(settings, job["id"], REPORT)
    entry = ended(client, job, "failed")
    assert [attempt["status"] for attempt in entry["attempts"]] == [503] * 4
    again = f"/v1/webhook/deliveries/{entry['id']}/retry"
    other = {"X-API-Key": new_key(settings, "tenant-b")}
    check_problem(stranger.post(again, headers=other), 404, "delivery_not_found")
    assert stranger.get("/v1/webhook/deliveries", params={"job_id": job["id"]}).json() == {"deliveries": []}
    assert client.post(again).status_code == 202
    ended(client, job, "delivered")


def test_a_receiver_that_is_gone_gets_no_more(
    client: httpx.Client, settings: Settings, receiver: Receiver, secret: str
) -> None:
    receiver.statuses = [410]
    job = submit(client, receiver.url)
    finish(settings, job["id"], REPORT)
    assert len(ended(client, job, "failed")["attempts"]) == 1


def test_nobody_answers(client: httpx.Client, settings: Settings, secret: str) -> None:
    with running_receiver() as receiver:
        url = receiver.url
    job = submit(client, url)
    finish(settings, job["id"], REPORT)
    errors = [attempt["error"] for attempt in ended(client, job, "failed")["attempts"]]
    assert errors == ["no connection (Connection refused)"] * 4
    (line,) = re.findall(r'vertebra_webhook_deliveries{state="failed"} (\S+)', client.get("/metrics").text)
    assert float(line) >= 1


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "https://localhost.:99999/", "ftp://a/", " ", "x" * 70_000])
def test_urls_that_may_not_be_reached_are_refused(client: httpx.Client, secret: str, url: str) -> None:
    response = client.post("/v1/jobs", files=[("ct", ("ct", b"ok")), ("callback_url", (None, url))])
    assert response.status_code in (400, 422)
    if len(url) < 100:
        assert "callback_url" in check_problem(response, 422, "invalid_parameters")["detail"]
        check_problem(client.put("/v1/webhook", json={"url": url}), 422, "invalid_parameters")


def test_an_empty_field_names_no_url(client: httpx.Client) -> None:
    assert submit(client, "")["callback_url"] is None


def test_a_name_of_a_private_address_is_refused_when_the_message_is_sent(
    client: httpx.Client, settings: Settings, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(client, "https://hooks.hospital.example/")
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.9", 443))])
    sender = WebhookSender(settings, open_store(settings).engine)
    finish(settings, job["id"], REPORT)
    sender.check()
    (entry,) = log_of(client, job)
    assert entry["attempts"][0]["status"] is None
    assert "10.0.0.9 is an address of a private network" in entry["attempts"][0]["error"]


def test_nothing_is_sent_without_a_secret(stranger: httpx.Client, receiver: Receiver) -> None:
    response = stranger.post("/v1/jobs", files=[("ct", ("ct", b"ok")), ("callback_url", (None, receiver.url))])
    assert "/v1/webhook/secret" in check_problem(response, 422, "invalid_parameters")["detail"]
    assert stranger.get("/v1/webhook").json()["has_secret"] is False


def test_the_audit_trail_says_who_set_the_webhook(
    client: httpx.Client, settings: Settings, receiver: Receiver, secret: str
) -> None:
    client.put("/v1/webhook", json={"url": receiver.url})
    client.put("/v1/webhook", json={"url": None})
    trail = AuditTrail(open_store(settings).engine)
    entries = [(row.action, row.detail) for row in trail.entries(AuditFilter(tenant="tenant-a"))]
    assert ("make_secret", None) in entries
    assert {("set_webhook", "127.0.0.1"), ("set_webhook", None)} <= set(entries)
    assert receiver.url not in str(entries)


def test_a_new_secret_and_the_old_one_both_sign(
    client: httpx.Client, settings: Settings, receiver: Receiver, secret: str
) -> None:
    made = client.post("/v1/webhook/secret").json()
    assert made["previous_secret_until"] is not None
    job = submit(client, receiver.url)
    finish(settings, job["id"], REPORT)
    ended(client, job, "delivered")
    for key in (secret, made["secret"]):
        check_signature(receiver.messages[0], key)
    assert made["secret"] not in client.get("/v1/webhook").text


def test_no_message_is_lost_while_no_gateway_runs(broker: Broker, tmp_path: Path, receiver: Receiver) -> None:
    settings = Settings(
        data_dir=tmp_path, broker_url=broker.url, allow_anonymous=True, webhook_allow="127.0.0.0/8", stale_after_s=3600
    )
    with running_gateway(settings) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        check_problem(client.post("/v1/webhook/secret"), 403, "forbidden")
        key = {"X-API-Key": new_key(settings, LOCAL_TENANT)}
        assert client.post("/v1/webhook/secret", headers=key).status_code == 200
        job = submit(client, receiver.url)
    finish(settings, job["id"], REPORT)
    assert receiver.messages == []
    with running_gateway(settings) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        ended(client, job, "delivered")
        assert len(receiver.about(job["id"])) == 1


@pytest.fixture
def own_settings(empty_database: str, tmp_path: Path) -> Settings:
    """Return the settings of a service with a database of its own, SQLite and PostgreSQL in turn."""
    upgrade_database(empty_database)
    return Settings(
        data_dir=tmp_path, broker_url="redis://nowhere", database_url=empty_database, webhook_allow="127.0.0.0/8"
    )


def test_two_gateways_send_a_message_once(own_settings: Settings, receiver: Receiver) -> None:
    settings = own_settings
    store, *others = (open_store(settings) for _ in range(3))
    senders = [WebhookSender(settings, other.engine) for other in others]
    senders[0].endpoints.new_secret("local")
    ids = [f"{number:032x}" for number in range(6 * deliveries.SHARE)]
    for job_id in ids:
        row = new_row(job_id)
        row.callback_url, row.callback_due = receiver.url, True
        store.create(row)
        finish(settings, job_id, {})
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            list(pool.map(lambda sender: sender.check(), senders))
    assert sorted(message.json["data"]["job_id"] for message in receiver.messages) == ids
    for each in (store, *others):
        each.engine.dispose()


def test_a_slow_receiver_holds_up_nobody_else(own_settings: Settings, receiver: Receiver) -> None:
    """The slow tenant has more messages than a gateway sends at a time, and its own are the oldest."""
    store = open_store(own_settings)
    sender = WebhookSender(own_settings, store.engine)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for number in range(2 * CONCURRENT + 6):
            is_slow = number < 2 * CONCURRENT
            tenant = "slow" if is_slow else "quick"
            row = new_row(f"{number:032x}", tenant)
            row.callback_due = True
            row.callback_url = f"http://127.0.0.1:{silent.getsockname()[1]}/" if is_slow else receiver.url
            store.create(row)
            finish(own_settings, row.id, {})
            sender.endpoints.new_secret(tenant)
        sender.start()
        wait_for(lambda: len(receiver.messages) == 6, "the quick ones")
        wait_for(lambda: len(store_of(sender, "quick", "delivered")) == 6, "their records")
        assert store_of(sender, "slow", "delivered") == []
        assert sum(bool(row.leased_until) for row in store_of(sender, "slow", "pending")) == deliveries.SHARE
    sender.stop()
    store.engine.dispose()


def store_of(sender: WebhookSender, tenant: str, state: str) -> list[DeliveryRow]:
    return [row for row in sender.deliveries.list_page(tenant, None, 200) if row.state == state]


def test_the_oldest_end_is_told_first(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "BATCH", 3)
    store = open_store(own_settings)
    queue = DeliveryStore(store.engine)
    ids = [f"{number:032x}" for number in range(deliveries.BATCH + 1)]
    for job_id in ids:
        row = new_row(job_id)
        row.callback_url, row.callback_due = "https://hooks.example/", True
        store.create(row)
    for job_id in reversed(ids):
        finish(own_settings, job_id, {})
    assert queue.queue_ended_jobs(str) == deliveries.BATCH
    assert [row.job_id for row in queue.list_page("local", ids[0], 5)] == []
    assert queue.queue_ended_jobs(str) == 1
    assert [row.job_id for row in queue.list_page("local", ids[0], 5)] == [ids[0]]
    store.engine.dispose()


def test_the_message_of_a_gateway_that_died_is_sent_by_another(own_settings: Settings) -> None:
    settings = own_settings
    store = open_store(settings)
    row = new_row("0" * 32)
    row.callback_url, row.callback_due = "https://hooks.example/", True
    store.create(row)
    finish(settings, row.id, {})
    now = 1e9
    queue = DeliveryStore(store.engine, lambda: now)
    assert (queue.queue_ended_jobs(str), queue.queue_ended_jobs(str)) == (1, 0)
    (dead,) = queue.claim_due(5)
    assert queue.claim_due(5) == []
    now += LEASE_S + 1
    (again,) = queue.claim_due(5)
    assert again.id == dead.id
    late = deliveries.Outcome(now, 1.0, 500, None)
    queue.record(dead, late, is_done=False, is_hopeless=False)  # the first gateway wakes up, and may write nothing
    assert queue.list_page("local", row.id, 5)[0].attempts == []
    store.engine.dispose()


def test_gateways_whose_clocks_differ_keep_to_each_others_leases(postgres_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=ready_database(postgres_url))
    store = open_store(settings)
    behind, ahead = (
        WebhookSender(settings, store.engine, lambda wrong_s=wrong_s: time.time() + wrong_s).deliveries
        for wrong_s in (-3600.0, 3600.0)
    )
    for job_id, first, second in (("0" * 32, ahead, behind), ("1" * 32, behind, ahead)):
        row = new_row(job_id)
        row.callback_url, row.callback_due = "https://hooks.example/", True
        store.create(row)
        finish(settings, job_id, {})
        assert first.queue_ended_jobs(str) == 1
        (leased,) = second.claim_due(5)
        assert leased.job_id == job_id
        assert first.claim_due(5) == []
        outcome = deliveries.Outcome(time.time(), 1.0, 204, None)
        assert second.record(leased, outcome, is_done=True, is_hopeless=False) == "delivered"
        assert [entry.state for entry in first.list_page("local", job_id, 5)] == ["delivered"]
    store.engine.dispose()
