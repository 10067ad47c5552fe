"""Every route of the application says who may use it. A new route fails here until this table has it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from app.api import tenant_events
from app.application import create_app
from app.identity import throttle
from app.identity.key_store import KeyOwner, KeyStore
from app.identity.principal import SCOPES
from app.jobs.database import open_database
from app.jobs.settings import Settings
from tests.app.harness import check_problem

OPEN = {
    ("GET", "/health/live"),
    ("HEAD", "/health/live"),
    ("GET", "/health/ready"),
    ("HEAD", "/health/ready"),
    ("GET", "/metrics"),
    ("GET", "/problems"),
    ("GET", "/problems/{slug}"),
    ("GET", "/v1/schemas/{name}"),
    ("GET", "/docs"),
    ("GET", "/docs/{file}"),
    ("GET", "/openapi.json"),
    ("HEAD", "/openapi.json"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
}
"""Routes that need no credential."""

PAGES = {("GET", "/"), ("GET", "/jobs/{job_id}")}
"""Routes that send a browser without a credential, or without the scope `read`, to the page that asks for a key."""

ANY = {("POST", "/sign-out")}
"""Routes that need a credential, whatever its scopes."""

SCOPE = {
    ("POST", "/v1/jobs"): "submit",
    ("GET", "/v1/jobs"): "read",
    ("GET", "/v1/jobs/{job_id}"): "read",
    ("DELETE", "/v1/jobs/{job_id}"): "submit",
    ("POST", "/v1/jobs/{job_id}/cancel"): "submit",
    ("POST", "/v1/jobs/{job_id}/retry"): "submit",
    ("GET", "/v1/jobs/{job_id}/events"): "read",
    ("GET", "/v1/events"): "read",
    ("GET", "/v1/jobs/{job_id}/results"): "read",
    ("HEAD", "/v1/jobs/{job_id}/results/{name}"): "read",
    ("GET", "/v1/jobs/{job_id}/results/{name}"): "read",
    ("POST", "/v1/jobs/{job_id}/results/{name}/link"): "read",
    ("HEAD", "/v1/jobs/{job_id}/results.zip"): "read",
    ("GET", "/v1/jobs/{job_id}/results.zip"): "read",
    ("POST", "/v1/jobs/{job_id}/results.zip/link"): "read",
    ("GET", "/v1/models"): "read",
    ("GET", "/v1/keys"): "admin",
    ("DELETE", "/v1/keys/{key_id}"): "admin",
    ("GET", "/v1/webhook"): "read",
    ("PUT", "/v1/webhook"): "webhooks",
    ("POST", "/v1/webhook/secret"): "webhooks",
    ("GET", "/v1/webhook/deliveries"): "read",
    ("POST", "/v1/webhook/deliveries/{delivery_id}/retry"): "webhooks",
}
"""The scope that each other route needs."""


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Return method and path of every route, however it came into the application."""
    found: set[tuple[str, str]] = set()
    waiting: list[BaseRoute] = list(app.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner:
            waiting += inner
            continue
        assert isinstance(route, APIRoute) or hasattr(route, "methods"), f"{route}: who may use it?"
        path = re.sub(r":\w+}", "}", route.path)  # without the convertor of a part
        found |= {(method, path) for method in route.methods or ()}
    return found


def test_every_route_is_in_the_table(settings: Settings) -> None:
    tables = (OPEN, PAGES, ANY, set(SCOPE))
    assert routes_of(create_app(settings)) == set().union(*tables)
    assert sum(map(len, tables)) == len(set().union(*tables))


@pytest.fixture(scope="module", autouse=True)
def many_guesses() -> Iterator[None]:
    """Let this client try a wrong key at each route; a stream ends at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throttle, "TRIES_AN_ADDRESS", 1000)
        patch.setattr(tenant_events, "LONGEST_STREAM_S", 0.0)
        yield


@pytest.fixture(scope="module")
def keys(settings: Settings) -> Iterator[dict[str, str]]:
    """Return keys by name: one for each scope, one for all the others, an expired and a revoked one."""
    engine = open_database(settings.database)
    store = KeyStore(engine)
    every = frozenset(SCOPES)
    made = {scope: store.create(KeyOwner("tenant-a", scope, frozenset({scope})))[1] for scope in SCOPES}
    made |= {f"not {scope}": store.create(KeyOwner("tenant-a", scope, every - {scope}))[1] for scope in SCOPES}
    made["expired"] = store.create(KeyOwner("tenant-a", "old", every, time.time() - 1))[1]
    row, made["revoked"] = store.create(KeyOwner("tenant-a", "lost", every))
    assert store.revoke(row.id)
    yield made
    engine.dispose()


@pytest.mark.parametrize(("method", "path"), sorted(SCOPE))
def test_a_route_needs_its_scope(nobody: httpx.Client, keys: dict[str, str], method: str, path: str) -> None:
    url = path.format(job_id="0" * 32, name="report.json", key_id="0" * 12, delivery_id=f"msg_{'0' * 32}")
    scope = SCOPE[method, path]

    def ask(key: str | None) -> httpx.Response:
        return nobody.request(method, url, headers={"X-API-Key": key} if key else {})

    refused = [ask(None), ask(keys["expired"]), ask(keys["revoked"])]
    assert {response.status_code for response in refused} == {401}
    assert ask(keys[f"not {scope}"]).status_code == 403
    assert ask(keys[scope]).status_code not in (401, 403)
    if method != "HEAD":
        assert check_problem(ask(keys[f"not {scope}"]), 403, "forbidden")["expected"] == f"the scope {scope}"
        assert check_problem(refused[1], 401, "unauthorized")["got"].endswith("which is expired")


@pytest.mark.parametrize(("method", "path"), sorted(OPEN))
def test_an_open_route_needs_nothing(nobody: httpx.Client, method: str, path: str) -> None:
    own = {"Origin": str(nobody.base_url).rstrip("/")}
    url = path.format(slug="forbidden", name="report.json", file="swagger-ui.css")
    status = nobody.request(method, url, headers=own).status_code
    assert status == 401 if method == "POST" else status in (200, 503)  # a form without a key


@pytest.mark.parametrize(("method", "path"), sorted(PAGES))
def test_a_page_needs_a_reader(nobody: httpx.Client, keys: dict[str, str], method: str, path: str) -> None:
    for name in (None, "expired", "revoked", "not read"):
        answer = nobody.request(method, path.format(job_id="x"), headers={"X-API-Key": keys[name]} if name else {})
        assert (answer.status_code, answer.headers["location"][:14]) == (303, "/sign-in?next=")
    assert nobody.request(method, path.format(job_id="x"), headers={"X-API-Key": keys["read"]}).status_code == 200


@pytest.mark.parametrize(("method", "path"), sorted(ANY))
def test_a_route_for_everybody_known(nobody: httpx.Client, keys: dict[str, str], method: str, path: str) -> None:
    for name in (None, "expired", "revoked"):
        answer = nobody.request(method, path, headers={"X-API-Key": keys[name]} if name else {})
        check_problem(answer, 401, "unauthorized")
    for scope in SCOPES:
        assert nobody.request(method, path, headers={"X-API-Key": keys[scope]}).status_code == 204


def test_the_scope_is_described(nobody: httpx.Client) -> None:
    paths = nobody.get("/openapi.json").json()["paths"]
    for (method, path), scope in SCOPE.items():
        needed = paths[path][method.lower()]["security"]
        assert needed, (method, path)
        assert all(list(way.values()) == [[scope]] for way in needed), (method, path)
