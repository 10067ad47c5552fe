"""An open service answers programs and its own pages, and refuses what foreign pages make a browser send."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from app.jobs.settings import Settings
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, post, running_gateway


@pytest.fixture(scope="module")
def url(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("open"),
        broker_url=broker.url,
        allow_anonymous=True,
        allowed_hosts="stress.hospital.example, Other.example",
    )
    with running_gateway(settings) as url:
        yield url


@pytest.fixture(scope="module")
def bare_url(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An open service without allowed hosts."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("bare"), broker_url=broker.url, allow_anonymous=True)
    with running_gateway(settings) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "own"},
        {"Origin": "own", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Host": "stress.hospital.example", "Origin": "https://stress.hospital.example"},
        {"Host": "other.example:8443"},
        {"Origin": "https://stress.hospital.example"},  # behind a proxy that names the gateway by its address
        {"Host": "localhost:8000", "Origin": "http://localhost:8000"},
        {"Host": "[::1]:8000"},
    ],
)
def test_programs_and_own_pages_may_post(client: httpx.Client, url: str, headers: dict[str, str]) -> None:
    sent = {name: url if value == "own" else value for name, value in headers.items()}
    assert post(client, headers=sent).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://[bad"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "own"},
    ],
)
def test_a_foreign_page_may_not_change_anything(client: httpx.Client, url: str, headers: dict[str, str]) -> None:
    path = post(client).headers["location"]
    sent = {name: url if value == "own" else value for name, value in headers.items()}
    check_problem(post(client, headers=sent), 403, "foreign_page")
    check_problem(client.delete(path, headers=sent), 403, "foreign_page")
    assert client.get(path, headers=sent).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[bad", "10.0.0.7", ""]
)
def test_a_name_of_somebody_else_is_refused(client: httpx.Client, host: str) -> None:
    for method, path in (("GET", "/v1/jobs"), ("GET", "/"), ("POST", "/v1/jobs"), ("GET", "/metrics")):
        check_problem(client.request(method, path, headers={"Host": host}), 421, "unknown_host")
    assert client.get("/health/live", headers={"Host": host}).status_code == 200


def test_without_allowed_hosts_an_open_service_knows_addresses_only(bare_url: str) -> None:
    with httpx.Client(base_url=bare_url, timeout=PATIENCE_S) as client:
        for host in ("10.0.0.7:8000", "[fd00::1]", "localhost", urlsplit(bare_url).netloc):
            assert client.get("/v1/jobs", headers={"Host": host}).status_code == 200
        check_problem(client.get("/v1/jobs", headers={"Host": "stress.hospital.example"}), 421, "unknown_host")


def test_a_service_with_keys_answers_to_every_name(client: httpx.Client, gateway: str) -> None:
    with httpx.Client(base_url=gateway, headers={"X-API-Key": next(iter(KEYS))}, timeout=PATIENCE_S) as known:
        assert known.get("/v1/jobs", headers={"Host": "any.example"}).status_code == 200
