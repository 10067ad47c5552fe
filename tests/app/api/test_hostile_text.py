"""Text of a client that is no number, no identifier or no text: the answer is a problem, never a 500 or a 503."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.jobs.settings import Settings
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, post, running_gateway
from tests.app.postgres_server import ready_database

HOSTILE_IDS = ("%00", "a%00b", "%00" * 32, "6f1c0c2f9b8e4d0a8a52b1f2c3d4e5f%00", "%ED%A0%80", "x" * 4000, "٣" * 32)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def client(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    folder: Path = tmp_path_factory.mktemp("hostile")
    database = None if request.param == "sqlite" else ready_database(request.getfixturevalue("postgres_url"))
    settings = Settings(data_dir=folder, broker_url=broker.url, database_url=database, api_keys=KEYS)
    with (
        running_gateway(settings) as url,
        httpx.Client(base_url=url, headers={"Authorization": "Bearer key-a"}, timeout=PATIENCE_S) as client,
    ):
        yield client


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("job_id", HOSTILE_IDS)
def test_an_id_that_cannot_be_one_is_an_unknown_job(client: httpx.Client, job_id: str) -> None:
    for method, path in (
        ("GET", f"/v1/jobs/{job_id}"),
        ("DELETE", f"/v1/jobs/{job_id}"),
        ("GET", f"/v1/jobs/{job_id}/results"),
        ("GET", f"/v1/jobs/{job_id}/results/report.json"),
    ):
        check_problem(client.request(method, path), 404, "job_not_found")


def test_a_result_of_a_hostile_name_is_unknown(client: httpx.Client) -> None:
    path = post(client).headers["location"]
    for name in ("%00", "x" * 4000, "%ED%A0%80"):
        check_problem(client.get(f"{path}/results/{name}"), 409, "job_not_finished")


@pytest.mark.parametrize(
    "cursor",
    [
        "\0",
        "é",
        encoded([1.0, "\0"]),
        encoded([1.0, "\ud800"]),
        encoded([float("nan"), "a" * 32]),
        encoded([float("inf"), "a" * 32]),
        encoded([10**400, "a" * 32]),
        encoded([1.0, "a" * 32, 3]),
        encoded({"a": 1}),
        base64.urlsafe_b64encode(b"[" + b"9" * 140 + b', "a"]').decode(),
    ],
)
def test_a_cursor_of_another_server(client: httpx.Client, cursor: str) -> None:
    check_problem(client.get("/v1/jobs", params={"cursor": cursor}), 422, "invalid_parameters")


@pytest.mark.parametrize("state", ["\0", "queued\0", "x" * 5000])
def test_a_state_that_is_none(client: httpx.Client, state: str) -> None:
    check_problem(client.get("/v1/jobs", params={"state": state}), 422, "invalid_parameters")


@pytest.mark.parametrize("limit", ["9" * 5000, "-" + "9" * 5000, "1e400", "\0", "nan"])
def test_a_limit_that_is_none(client: httpx.Client, limit: str) -> None:
    check_problem(client.get("/v1/jobs", params={"limit": limit}), 422, "invalid_parameters")


def test_an_idempotency_key_of_control_characters(client: httpx.Client) -> None:
    check_problem(post(client, headers={"Idempotency-Key": b"tab\tbed"}), 422, "invalid_parameters")
    for key in (b"a\x01b", b"\x7f"):  # no header of HTTP at all: the server's parser refuses it
        assert post(client, headers={"Idempotency-Key": key}).status_code == 400


def test_an_idempotency_key_of_other_letters(client: httpx.Client) -> None:
    first = post(client, headers={"Idempotency-Key": "Bestellung Nr. 5 für Größe".encode()})
    again = post(client, headers={"Idempotency-Key": "Bestellung Nr. 5 für Größe".encode()})
    assert (first.status_code, first.json()["id"]) == (202, again.json()["id"])


@pytest.mark.parametrize(
    "params",
    [
        '{"mask_label": %s}' % ("9" * 5000),
        '{"load_newton": %s}' % ("9" * 5000),
        '{"load_newton": 1e999}',
        '{"seed_ras_mm": [%s, 0, 0]}' % ("9" * 5000),
        '{"vertebra": "\\u0000"}',
        '{"vertebra": "\\ud800"}',
        '{"%s": 1}' % ("x" * 5000),
        "9" * 5000,
        "[" * 5000,
    ],
)
def test_parameters_of_hostile_values(client: httpx.Client, params: str) -> None:
    check_problem(post(client, params=params), 422, "invalid_parameters")


def test_metrics_do_not_grow_with_what_clients_invent(client: httpx.Client) -> None:
    def lines() -> int:
        return len(client.get("/metrics").text.splitlines())

    for method, path in (("WORD0", "/v1/jobs"), ("WORD0", "/nothing/0"), ("GET", "/nothing/0")):
        client.request(method, path)
    lines()  # the scrape counts itself afterwards
    before = lines()
    for i in range(1, 30):
        client.request(f"WORD{i}", "/v1/jobs")
        client.request(f"WORD{i}", f"/nothing/{i}", headers={"Host": f"host-{i}"})
        client.get(f"/nothing/{i}")
    assert lines() == before
