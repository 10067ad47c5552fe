"""A gateway that a proxy publishes under a path: whatever it tells a client has the prefix, and leads there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from app.api.path_prefix import OWN_NAMES
from app.application import create_app
from app.jobs.database import open_database
from app.jobs.settings import Settings, SettingsError
from app.pages import api_description, routes, sign_in
from app.webhooks.endpoints import EndpointStore
from tests.app.harness import KEYS, PATIENCE_S, Broker, fail, finish, post, wait_for
from tests.app.pages.browser import CHROMIUM, running_browser
from vertebra_client import Client, JobFailedError, Submission

PREFIX = "/apps/vertebra"
REPORT = {"report.json": (b"{}", "application/json")}
PROBLEM = {"type": "/problems/bad_spacing", "title": "t", "status": 422, "detail": "d"}


@pytest.fixture(scope="module")
def settings(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        broker_url=broker.url,
        api_keys=KEYS,
        stale_after_s=3600,
        path_prefix=PREFIX,
        webhook_allow="127.0.0.0/8",
    )


@pytest.fixture(scope="module")
def published(gateway: str) -> Iterator[httpx.Client]:
    """Return a client with the key of tenant a, which knows the host but not the prefix."""
    with httpx.Client(base_url=gateway, headers={"X-API-Key": "key-a"}, timeout=PATIENCE_S) as client:
        yield client


def paths_in(body: Any) -> list[str]:
    """Return the values of a JSON body that are paths."""
    if isinstance(body, dict):
        return [path for value in body.values() for path in paths_in(value)]
    if isinstance(body, list):
        return [path for value in body for path in paths_in(value)]
    return [body] if isinstance(body, str) and body.startswith("/") else []


def test_every_path_of_an_answer_has_the_prefix_and_leads_there(published: httpx.Client, settings: Settings) -> None:
    accepted = published.post(f"{PREFIX}/v1/jobs", files={"ct": ("ct", b"ok")})
    job = accepted.json()
    path = f"{PREFIX}/v1/jobs/{job['id']}"
    assert accepted.headers["location"] == path
    assert sorted(paths_in(job)) == [f"{PREFIX}/jobs/{job['id']}", path]
    finish(settings, job["id"], REPORT)
    results = published.get(f"{path}/results")
    assert paths_in(results.json()) == [f"{path}/results/report.json", f"{path}/results.zip"]
    assert published.get(results.json()["results"][0]["url"]).content == b"{}"
    link = published.post(f"{path}/results/report.json/link").json()["url"]
    assert link.startswith(f"{path}/results/report.json?")
    assert httpx.get(published.base_url.join(link)).content == b"{}"
    events = published.get(f"{path}/events").text
    sent = json.loads(events.partition("data: ")[2].partition("\n")[0])
    assert sorted(paths_in(sent)) == [f"{PREFIX}/jobs/{job['id']}", path, f"{path}/results"]
    again = published.post(f"{path}/retry")
    assert again.headers["location"] == again.json()["links"]["self"] != path
    assert published.get(again.headers["location"]).json()["retry_of"] == job["id"]


def test_problems_have_the_prefix_and_are_explained_there(published: httpx.Client, settings: Settings) -> None:
    nowhere = f"{PREFIX}/v1/jobs/{'0' * 32}"
    missing = published.get(nowhere).json()
    assert (missing["type"], missing["instance"]) == (f"{PREFIX}/problems/job_not_found", nowhere)
    assert published.get(missing["type"]).json()["type"] == missing["type"]
    assert f"{PREFIX}/openapi.json lists" in published.get(f"{PREFIX}/nothing").json()["detail"]
    assert published.post(f"{PREFIX}/v1/keys/abc").headers["allow"] == "DELETE"
    job = published.post(f"{PREFIX}/v1/jobs", files={"ct": ("ct", b"ok")}).json()
    fail(settings, job["id"], PROBLEM)
    assert published.get(job["links"]["self"]).json()["error"]["type"] == f"{PREFIX}/problems/bad_spacing"


def test_the_description_has_the_prefix(published: httpx.Client) -> None:
    for _ in range(2):  # the second comes from the cache
        described = published.get(f"{PREFIX}/openapi.json").json()
        assert described["servers"] == [{"url": PREFIX}]
        assert "/v1/jobs" in described["paths"]
        types = described["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
        assert f"{PREFIX}/problems/bad_spacing" in types
        assert all(path.startswith(f"{PREFIX}/") for path in paths_in(described["components"]))


def test_a_webhook_names_paths_with_the_prefix(published: httpx.Client, settings: Settings) -> None:
    engine = open_database(settings.database)
    EndpointStore(engine).new_secret("tenant-a")
    engine.dispose()
    form = [("ct", ("ct", b"ok")), ("callback_url", (None, "http://127.0.0.1:9/"))]
    job = published.post(f"{PREFIX}/v1/jobs", files=form).json()
    fail(settings, job["id"], PROBLEM)
    log = f"{PREFIX}/v1/webhook/deliveries?job_id={job['id']}"
    (delivery,) = wait_for(lambda: published.get(log).json()["deliveries"], "delivery")
    assert delivery["message"]["data"]["links"] == published.get(job["links"]["self"]).json()["links"]
    assert delivery["message"]["data"]["error"]["type"] == f"{PREFIX}/problems/bad_spacing"


def test_a_proxy_may_cut_the_prefix_off(client: httpx.Client) -> None:
    assert client.get("/health/live").status_code == 200
    job = post(client).json()
    assert job["links"]["self"] == f"{PREFIX}/v1/jobs/{job['id']}"
    assert client.get(f"/v1/jobs/{job['id']}").json()["id"] == job["id"]
    assert client.get(f"{PREFIX}x/health/live").status_code == 404
    assert client.get(PREFIX).headers["location"] == f"{client.base_url}{PREFIX}/"


def test_signing_in_stays_under_the_prefix(gateway: str) -> None:
    with httpx.Client(base_url=gateway, headers={"Origin": gateway}, timeout=PATIENCE_S) as visitor:
        first = visitor.get(f"{PREFIX}/jobs/abc")
        assert first.headers["location"] == f"{PREFIX}/sign-in?next={PREFIX}/jobs/abc"
        form = visitor.get(first.headers["location"]).text
        assert f'action="{PREFIX}/sign-in"' in form
        for asked, then in ((f"{PREFIX}/jobs/abc", f"{PREFIX}/jobs/abc"), ("/other-app/", f"{PREFIX}/")):
            answer = visitor.post(f"{PREFIX}/sign-in", data={"key": "key-a", "next": asked})
            assert answer.headers["location"] == then
            assert answer.headers["set-cookie"].startswith("vertebra_session~apps~vertebra=")
            assert "Path=/;" in answer.headers["set-cookie"]
        assert visitor.get(f"{PREFIX}/").status_code == 200


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_pages_work_under_the_prefix(gateway: str, settings: Settings, tmp_path: Path) -> None:
    ct = tmp_path / "ct"
    ct.write_bytes(b"ok")
    with running_browser(tmp_path / "profile") as browser:
        browser.open(f"{gateway}{PREFIX}/")
        browser.wait(f"location.pathname === '{PREFIX}/sign-in' && document.readyState === 'complete'")
        browser.run("document.querySelector('input[name=key]').value = 'key-a'")
        browser.click("#sign-in-form button")
        browser.wait(f"location.pathname === '{PREFIX}/' && document.getElementById('send')")
        browser.choose_file("input[name=ct]", ct)
        browser.click("#send")
        browser.wait(f"location.pathname.startsWith('{PREFIX}/jobs/') && document.getElementById('state')?.textContent")
        job_id = browser.run("location.pathname").rsplit("/", 1)[1]
        candidate = {"centre_ras_mm": [1.0, -20.0, 300.5], "probability": 0.62}
        fail(settings, job_id, PROBLEM | {"alternatives": [candidate]})
        browser.wait("document.querySelector('.candidates button')")
        browser.click(".candidates button")
        assert browser.run("document.querySelector('.chosen a').pathname") == f"{PREFIX}/"
        browser.run("confirm = () => true")
        browser.click("#delete")
        browser.wait(f"location.pathname === '{PREFIX}/' && document.getElementById('sign-out')")
        assert browser.run("document.querySelector('header a').pathname") == f"{PREFIX}/"
        browser.wait("document.querySelector('#jobs a')")
        assert browser.run("document.querySelector('#jobs a').pathname").startswith(f"{PREFIX}/jobs/")
        browser.click("#sign-out")
        browser.wait(f"location.pathname === '{PREFIX}/sign-in'")
        browser.open(f"{gateway}{PREFIX}/docs")
        browser.wait("document.querySelector('.opblock')")


def test_the_client_works_with_and_without_the_prefix(gateway: str, settings: Settings, tmp_path: Path) -> None:
    for url in (gateway, f"{gateway}{PREFIX}"):
        with Client(url, "key-a") as client:
            job = client.submit(Submission(b"ok"))
            fail(settings, job.id, PROBLEM, REPORT)
            with pytest.raises(JobFailedError) as failure:
                client.wait(job.id)
            assert failure.value.error.slug == "bad_spacing"
            assert client.download(job.id, "report.json", tmp_path).read_bytes() == b"{}"
            assert client.job_url(job) == f"{url}/v1/jobs/{job.id}"
            assert client.page_url(job) == f"{gateway}{PREFIX}/jobs/{job.id}"


@pytest.mark.parametrize("prefix", ["/v1", "/jobs", "/openapi.json", "/sign-in", "/v1/x"])
def test_a_prefix_that_is_a_path_of_the_gateway_is_refused(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Choose another"):
        create_app(Settings(data_dir=tmp_path, path_prefix=prefix))
    described = create_app(Settings(data_dir=tmp_path)).openapi()["paths"]
    pages = [
        route.path
        for module in (routes, sign_in, api_description)
        for route in module.router.routes
        if isinstance(route, Route)
    ]
    own = {path.split("/")[1] for path in (*described, *pages, "/openapi.json")}
    assert own - {""} == OWN_NAMES


@pytest.mark.parametrize("prefix", ["vertebra", "/vertebra/", "/", "/../x", "/a//b", "//evil.example", "/a b", "/a?b"])
def test_a_prefix_that_is_no_plain_path_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="path_prefix"):
        Settings(path_prefix=prefix)
