"""Pages of other servers use the API only where the operator names their origin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.jobs.settings import Settings
from tests.app.harness import PATIENCE_S, check_problem, post, running_gateway

VIEWER, STRANGER = "https://viewer.example:8443", "https://elsewhere.example"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,idempotency-key"}


@contextmanager
def serving(settings: Settings, **changes: Any) -> Iterator[httpx.Client]:
    with (
        running_gateway(settings.model_copy(update=changes)) as url,
        httpx.Client(base_url=url, timeout=PATIENCE_S) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def named(settings: Settings) -> Iterator[httpx.Client]:
    with serving(settings, cors_origins=(VIEWER,)) as client:
        yield client


def preflight(client: httpx.Client, origin: str, path: str = "/v1/jobs") -> httpx.Response:
    return client.options(path, headers={"Origin": origin} | ASKS)


def cross_origin_headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


def test_a_named_origin_may(named: httpx.Client) -> None:
    asked = preflight(named, VIEWER)
    assert asked.status_code == 200
    told = cross_origin_headers(asked)
    assert told["access-control-allow-origin"] == VIEWER
    assert "POST" in told["access-control-allow-methods"]
    assert "X-API-Key" in told["access-control-allow-headers"]
    headers = {"Origin": VIEWER, "X-API-Key": "key-a"}
    answer = post(named, headers=headers)
    assert answer.status_code == 202
    assert answer.headers["access-control-allow-origin"] == VIEWER
    assert "Location" in answer.headers["access-control-expose-headers"]
    assert "Origin" in answer.headers["vary"]
    for response in (asked, answer):
        assert "access-control-allow-credentials" not in response.headers
    refused = named.get("/v1/jobs", headers={"Origin": VIEWER})
    assert check_problem(refused, 401, "unauthorized")  # the page may read why
    assert refused.headers["access-control-allow-origin"] == VIEWER


@pytest.mark.parametrize("origin", [STRANGER, "null", "https://viewer.example", VIEWER + ".elsewhere.example"])
def test_another_origin_may_not(named: httpx.Client, origin: str) -> None:
    asked = preflight(named, origin)
    check_problem(asked, 403, "foreign_page")
    answer = named.get("/v1/jobs", headers={"Origin": origin, "X-API-Key": "key-a"})
    assert "access-control-allow-origin" not in asked.headers
    assert cross_origin_headers(answer).get("access-control-allow-origin") is None


def test_pages_and_programs_are_as_they_were(named: httpx.Client, client: httpx.Client) -> None:
    assert not cross_origin_headers(named.get("/sign-in", headers={"Origin": VIEWER}))
    assert not cross_origin_headers(preflight(named, VIEWER, "/sign-in"))
    assert named.get("/v1/jobs", headers={"X-API-Key": "key-a"}).status_code == 200
    assert not cross_origin_headers(client.get("/v1/jobs", headers={"Origin": VIEWER}))  # without the setting
    assert preflight(client, VIEWER).status_code == 405


def test_all_origins_get_no_credentials(settings: Settings) -> None:
    with serving(settings, cors_origins=("*",)) as client:
        cookie = {"Cookie": "session=x"}
        for response in (
            preflight(client, STRANGER),
            client.get("/v1/jobs", headers={"Origin": STRANGER, "X-API-Key": "key-a"} | cookie),
        ):
            assert response.status_code == 200
            assert response.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in response.headers


def test_a_named_origin_may_use_an_open_service(settings: Settings) -> None:
    with serving(settings, api_keys={}, allow_anonymous=True, cors_origins=(VIEWER,)) as client:
        assert post(client, headers={"Origin": VIEWER, "Sec-Fetch-Site": "cross-site"}).status_code == 202
        check_problem(post(client, headers={"Origin": STRANGER}), 403, "foreign_page")


def test_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEBRA_CORS_ORIGINS", f" {VIEWER}, HTTP://[::1]:3000 ")
    assert Settings().cors_origins == (VIEWER, "http://[::1]:3000")
    for text in ("viewer.example", "https://viewer.example/", f"*,{VIEWER}", "ftp://a", "https://*.example"):
        monkeypatch.setenv("VERTEBRA_CORS_ORIGINS", text)
        with pytest.raises(ValidationError, match="cors_origins"):
            Settings()
    monkeypatch.setenv("VERTEBRA_CORS_ORIGINS", "*")
    assert Settings().cors_origins == ("*",)
    with pytest.raises(ValidationError, match="every page could use the service"):
        Settings(allow_anonymous=True)
