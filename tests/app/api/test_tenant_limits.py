"""Limits of a tenant: requests a second, queued jobs, stored bytes. Other tenants are not touched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.api.tenant_rate import TenantRate
from app.contract.errors import TooManyQueuedJobs, TooManyRequests
from app.identity.throttle import TRIES_AN_ADDRESS
from app.jobs.buckets import OwnBuckets
from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import KEYS, Broker, check_problem, finish, new_row, post, running_gateway, stored_jobs
from tests.app.postgres_server import ready_database

QUEUED = 3
STORED = 10_000


@pytest.fixture
def settings(broker: Broker, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        broker_url=broker.url,
        api_keys=KEYS,
        stale_after_s=3600,
        tenant_queued_jobs=QUEUED,
        tenant_stored_bytes=STORED,
    )


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    with running_gateway(settings) as url:
        yield url


def client_of(url: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def test_queued_jobs_of_a_tenant_are_limited(url: str, settings: Settings) -> None:
    with client_of(url, "key-a") as client, client_of(url, "key-b") as other:
        headers = {"Idempotency-Key": "first"}
        first = post(client, headers=headers)
        for _ in range(QUEUED - 1):
            assert post(client).status_code == 202
        stored = stored_jobs(settings)
        refused = post(client)
        check_problem(refused, 429, "too_many_queued_jobs")
        assert int(refused.headers["retry-after"]) > 0
        assert stored_jobs(settings) == stored
        assert post(client, headers=headers).json()["id"] == first.json()["id"]  # that job was accepted before
        assert post(other).status_code == 202
        finish(settings, first.json()["id"], {"report.json": (b"{}", "application/json")})
        assert post(client).status_code == 202
        check_problem(client.post(f"{first.headers['location']}/retry"), 429, "too_many_queued_jobs")


def test_uploads_and_results_of_a_tenant_are_limited_in_bytes(url: str, settings: Settings) -> None:
    with client_of(url, "key-a") as client, client_of(url, "key-b") as other:
        first = post(client, b"c" * 3000)
        finish(settings, first.json()["id"], {"stress.vtu": (b"r" * 4000, "application/vnd.vtk.vtu")})
        stored = stored_jobs(settings)
        refused = post(client, b"c" * 4000)
        check_problem(refused, 429, "too_many_stored_bytes")
        assert int(refused.headers["retry-after"]) > 0
        body, head = iter([b"--b\r\n" + b'Content-Disposition: form-data; name="ct"; filename="c"\r\n\r\n', b"c" * 4000,
                           b"\r\n--b--\r\n"]), {"Content-Type": "multipart/form-data; boundary=b"}  # fmt: skip
        check_problem(client.post("/v1/jobs", content=body, headers=head), 429, "too_many_stored_bytes")
        assert stored_jobs(settings) == stored
        assert post(other, b"c" * 4000).status_code == 202
        client.delete(first.headers["location"])
        assert post(client, b"c" * 4000).status_code == 202


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_jobs_submitted_at_once_do_not_pass_the_limit(
    backend: str, settings: Settings, request: pytest.FixtureRequest
) -> None:
    if backend == "postgresql":
        url = ready_database(request.getfixturevalue("postgres_url"))
        settings = settings.model_copy(update={"database_url": Settings(database_url=url).database_url})
    store = open_store(settings)
    begin = threading.Barrier(8)

    def submit(i: int) -> bool:
        begin.wait()
        try:
            store.create(new_row(f"{i:032x}", tenant=f"crowd-{backend}"))
        except TooManyQueuedJobs:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        accepted = list(threads.map(submit, range(8)))
    store.engine.dispose()
    assert sum(accepted) == QUEUED


def test_requests_of_a_tenant_are_limited(broker: Broker, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, api_keys=KEYS, tenant_requests_per_s=0.01)
    with running_gateway(settings) as url, client_of(url, "key-a") as client, client_of(url, "key-b") as other:
        assert client.get("/v1/jobs").status_code == 200
        refused = client.get("/v1/jobs")
        check_problem(refused, 429, "too_many_requests")
        assert 90 <= int(refused.headers["retry-after"]) <= 100
        assert other.get("/v1/jobs").status_code == 200
        assert client.get("/health/live").status_code == 200


def test_requests_with_a_link_count_for_the_tenant_that_made_it(broker: Broker, tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, broker_url=broker.url, api_keys=KEYS, stale_after_s=3600, tenant_requests_per_s=2.0
    )
    with running_gateway(settings) as url, client_of(url, "key-a") as client, httpx.Client(base_url=url) as nobody:
        job = post(client).json()["id"]
        finish(settings, job, {"report.json": (b"{}", "application/json")})
        link = client.post(f"/v1/jobs/{job}/results/report.json/link").json()["url"]
        answers = [nobody.get(link) for _ in range(20)]
        assert answers[0].status_code == 200
        refused = next(answer for answer in answers if answer.status_code != 200)
        check_problem(refused, 429, "too_many_requests")


def test_a_bucket_fills_again() -> None:
    now = 0.0
    rate = TenantRate(10.0, OwnBuckets(lambda: now))

    async def allowed() -> int:
        for count in range(1000):
            try:
                await rate.take("a")
            except TooManyRequests:
                return count
        raise AssertionError("no limit")

    assert asyncio.run(allowed()) == 20
    now = 0.5
    assert asyncio.run(allowed()) == 5
    now = 3600.0
    assert asyncio.run(allowed()) == 20
    for _ in range(1000):
        asyncio.run(TenantRate(None, OwnBuckets()).take("a"))


def test_gateways_count_requests_and_guesses_together(broker: Broker, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, api_keys=KEYS, tenant_requests_per_s=0.01)
    with running_gateway(settings) as one, running_gateway(settings) as two:
        with client_of(one, "key-a") as client, client_of(two, "key-a") as other:
            assert client.get("/v1/jobs").status_code == 200
            check_problem(other.get("/v1/jobs"), 429, "too_many_requests")
        urls = [one, two] * (TRIES_AN_ADDRESS // 2)
        guesses = [httpx.get(f"{url}/v1/jobs", headers={"X-API-Key": f"guess {n}"}) for n, url in enumerate(urls)]
        assert {answer.status_code for answer in guesses} == {401}
        for url in (one, two):
            check_problem(httpx.get(f"{url}/v1/jobs", headers={"X-API-Key": "guess"}), 429, "too_many_guesses")
