"""Labels tell the jobs of a client from each other, on either database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.jobs.settings import Settings
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, fail, post, running_gateway, stored_jobs
from tests.app.postgres_server import ready_database

A, B = {"study": "spine-2026", "ward": "B"}, {"study": 'a "quoted" = 50 % ü', "a.b": "1"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("labels")
    database = None if request.param == "sqlite" else ready_database(request.getfixturevalue("postgres_url"))
    return Settings(data_dir=folder, broker_url=broker.url, database_url=database, api_keys=KEYS)


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[httpx.Client]:
    with (
        running_gateway(settings) as url,
        httpx.Client(base_url=url, headers={"Authorization": "Bearer key-a"}, timeout=PATIENCE_S) as client,
    ):
        yield client


def listed(client: httpx.Client, *labels: str, **more: Any) -> list[str]:
    response = client.get("/v1/jobs", params=[*(("label", label) for label in labels), *more.items()])
    assert response.status_code == 200, response.text
    return [job["id"] for job in response.json()["jobs"]]


def test_jobs_are_found_by_their_labels(client: httpx.Client, settings: Settings) -> None:
    first, second, plain = (post(client, labels=labels).json() for labels in (A, B, None))
    assert [job["labels"] for job in (first, second, plain)] == [A, B, {}]
    assert listed(client, "study=spine-2026") == [first["id"]]
    assert listed(client, "study") == [second["id"], first["id"]]
    assert listed(client, "study", "ward=B") == [first["id"]]
    assert listed(client, f"study={B['study']}") == listed(client, "a.b=1") == [second["id"]]
    assert listed(client, "study=spine", "ward") == listed(client, "nobody") == []
    assert listed(client, "study", state="queued", limit="1") == [second["id"]]
    fail(settings, first["id"], {"type": "/problems/bad_mask", "title": "t", "status": 422, "detail": "d"})
    again = client.post(f"/v1/jobs/{first['id']}/retry").json()
    assert again["labels"] == A
    assert listed(client, "ward=B") == [again["id"], first["id"]]


@pytest.mark.parametrize(
    "labels",
    ["nonsense", "[]", '{"a": 1}', '{"a": ""}', '{"": "x"}', '{"a b": "x"}', '{"a": "x\\u0000"}', '{"a": "\\ud800"}',
     {"a" * 41: "x"}, {"a": "x" * 101}, {f"k{i}": "x" for i in range(21)}],
)  # fmt: skip
def test_labels_that_are_not_acceptable(client: httpx.Client, settings: Settings, labels: Any) -> None:
    count = len(stored_jobs(settings))
    check_problem(post(client, labels=labels), 422, "invalid_parameters")
    assert len(stored_jobs(settings)) == count


@pytest.mark.parametrize("label", ["", "=x", "a b=x", "a=", "a=x\0", "a" * 41, "a=" + "x" * 101])
def test_a_filter_that_is_no_label(client: httpx.Client, label: str) -> None:
    check_problem(client.get("/v1/jobs", params={"label": label}), 422, "invalid_parameters")
