"""Health, metrics, bundles, problem types, pages, errors of the framework, OpenAPI."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.api.error_handlers import install_error_handlers
from app.application import create_app
from app.contract.errors import VertebraError, all_errors
from app.jobs import worker_registry
from app.jobs.schema import head
from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import KEYS, check_problem, post


def test_live(nobody: httpx.Client) -> None:
    assert nobody.get("/health/live").json() == {"status": "ok"}


def test_ready_needs_a_worker(nobody: httpx.Client, settings: Settings) -> None:
    response = nobody.get("/health/ready")
    body = check_problem(response, 503, "not_ready")
    assert response.headers["retry-after"]
    assert {name for name, part in body["components"].items() if part["ok"]} == {"database", "storage", "broker"}
    store = open_store(settings)
    worker_registry.register(
        store, worker_registry.WorkerReport("host:1", "1.2", {"numpy": "2"}, {"row.onnx": "CPUExecutionProvider"})
    )
    ready = nobody.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["workers"][0]["software"] == {"numpy": "2"}
    assert ready.json()["workers"][0]["providers"] == {"row.onnx": "CPUExecutionProvider"}
    worker_registry.unregister(store, "host:1")
    store.engine.dispose()
    assert nobody.get("/health/ready").status_code == 503


def test_ready_needs_the_tables_of_this_software(nobody: httpx.Client, settings: Settings) -> None:
    store = open_store(settings)
    for found, is_ok in (("baseline", head() == "baseline"), ("of_next_year", True), (head(), True)):
        with store.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
        database = nobody.get("/health/ready").json()["components"]["database"]
        assert database["ok"] is is_ok
        expected = "ok" if found == head() else "of_next_year" if is_ok else "older than this software"
        assert expected in database["detail"]
    store.engine.dispose()


def test_metrics(client: httpx.Client, nobody: httpx.Client) -> None:
    post(client)
    text = nobody.get("/metrics").text
    assert re.search(r'vertebra_jobs\{state="queued"\} [1-9]', text)
    assert re.search(r"vertebra_upload_bytes_total [1-9]", text)
    assert 'vertebra_http_requests_total{method="POST",route="/v1/jobs",status="202"}' in text
    assert "vertebra_job_run_seconds" in text


def test_models(client: httpx.Client, settings: Settings) -> None:
    assert client.get("/v1/models").json() == {"models": []}
    folder = settings.models_dir / "l1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"version": "2026.1", "files": {}}))
    (settings.models_dir / "broken").mkdir()
    (settings.models_dir / "broken" / "manifest.json").write_text("{")
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["name"], model["version"], model["manifest"]["files"]) == ("l1", "2026.1", {})


def test_every_problem_is_described(nobody: httpx.Client) -> None:
    listed = nobody.get("/problems").json()["problems"]
    assert [entry["slug"] for entry in listed] == [error.slug for error in all_errors()]
    assert len({entry["slug"] for entry in listed}) == len(listed)
    for entry in listed:
        assert len(entry["description"]) > 20
        assert nobody.get(entry["type"]).json() == entry
    check_problem(nobody.get("/problems/none_such"), 404, "not_found")


def test_the_tree_drawn_in_the_docstring_is_the_tree() -> None:
    import app.contract.errors as errors

    drawn = dict(re.findall(r"(\w+) +\d{3} (\w+)", errors.__doc__ or ""))
    assert drawn == {error.__name__: error.slug for error in all_errors()}


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("PUT", "/v1/jobs", 405, "method_not_allowed"),
        ("POST", "/health/live", 405, "method_not_allowed"),
    ],
)
def test_errors_of_the_framework(client: httpx.Client, method: str, path: str, status: int, slug: str) -> None:
    assert check_problem(client.request(method, path), status, slug)["instance"] == path


def test_health_answers_head(nobody: httpx.Client) -> None:
    assert nobody.head("/health/live").status_code == 200
    assert nobody.head("/health/ready").status_code == nobody.get("/health/ready").status_code


def test_a_wrong_method_gets_the_right_ones(client: httpx.Client) -> None:
    for path, allowed in (("/v1/jobs", "GET, POST"), ("/v1/jobs/x", "DELETE, GET")):
        response = client.put(path)
        assert check_problem(response, 405, "method_not_allowed")["expected"] == allowed
        assert response.headers["allow"] == allowed


def test_pages(client: httpx.Client) -> None:
    for path in ("/", "/jobs/abc", "/jobs/%3Cscript%3Ealert(1)", "/sign-in?next=%22%3E%3Cscript%3Ealert(1)"):
        response = client.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        assert "Research software, not for diagnosis." in response.text
        assert "<script>alert" not in response.text
        nonce = re.search(r"script-src 'nonce-([^']+)'", response.headers["content-security-policy"])
        assert nonce
        assert f'<{"style" if "sign-in" in path else "script"} nonce="{nonce[1]}">' in response.text
        addresses = response.text.replace('"http://www.w3.org/2000/svg"', "")  # the name of SVG, which nobody loads
        assert "http://" not in addresses
        assert "https://" not in addresses


def test_security_headers(nobody: httpx.Client) -> None:
    headers = nobody.get("/health/live").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_openapi_is_complete(nobody: httpx.Client) -> None:
    spec = nobody.get("/openapi.json").json()
    for name, schema in spec["components"]["schemas"].items():
        for field, description in schema.get("properties", {}).items():
            assert "description" in description, f"{name}.{field}"
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), f"{where} {parameter['name']}"
            for status, response in operation["responses"].items():
                assert response["description"], where
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"], f"{where} {status}"
    assert "HTTPValidationError" not in spec["components"]["schemas"]
    listed = spec["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert {kind.rsplit("/", 1)[1] for kind in listed} == {error.slug for error in all_errors()}
    routes = spec["paths"]
    assert routes["/v1/jobs/{job_id}"]["get"]["security"] == routes["/v1/jobs"]["get"]["security"]
    submit = routes["/v1/jobs"]["post"]
    assert set(submit["responses"]) == {"200", "202", "400", "401", "403", "409", "413", "422", "429", "500", "503"}
    assert "mask" in submit["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]


def test_an_unexpected_error_is_a_problem(settings: Settings) -> None:
    from fastapi import Request

    from app.api.problem_details import problem_response

    response = problem_response(Request({"type": "http", "path": "/x", "headers": []}), VertebraError("boom"))
    assert response.status_code == 500
    assert create_app(settings.model_copy(update={"api_keys": KEYS}))


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 503, "storage_unavailable"),
        (OSError("of a library"), 500, "internal_error"),
    ],
)
def test_an_error_of_the_operating_system_passes(error: OSError, status: int, slug: str) -> None:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/")
    def route() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/")

    check_problem(asyncio.run(ask()), status, slug)
