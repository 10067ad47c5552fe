"""Ids of requests: the client's where it is sane, and in every answer."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from app.application import create_app
from app.jobs.settings import Settings
from tests.app.harness import Broker, check_problem, post, running_app


@pytest.mark.parametrize(
    "sent", ["a", "6f1c0c2f-9b8e-4d0a-8a52-b1f2c3d4e5f6", "Root=1-67891233:abcdef", "x" * 65, "", "a b"]
)
def test_a_sane_id_is_kept_and_another_is_replaced(nobody: httpx.Client, sent: str) -> None:
    got = nobody.get("/health/live", headers={"X-Request-Id": sent}).headers["x-request-id"]
    if re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", sent):
        assert got == sent
    else:
        assert re.fullmatch(r"[0-9a-f]{32}", got)


def test_problem_and_job_repeat_it(client: httpx.Client) -> None:
    missing = client.get("/v1/jobs/" + "0" * 32, headers={"X-Request-Id": "find.1"})
    assert check_problem(missing, 404, "job_not_found")["request_id"] == missing.headers["x-request-id"] == "find.1"
    job = post(client, headers={"X-Request-Id": "send.1"})
    assert job.json()["request_id"] == "send.1"
    later = client.get(job.headers["location"], headers={"X-Request-Id": "look.1"})
    assert (later.headers["x-request-id"], later.json()["request_id"]) == ("look.1", "send.1")
    made = post(client)
    assert made.json()["request_id"] == made.headers["x-request-id"]


def test_an_unexpected_error_has_it_too(broker: Broker, tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, broker_url=broker.url))

    @app.get("/break")
    def break_() -> None:
        raise RuntimeError

    with running_app(app) as url:
        response = httpx.get(f"{url}/break", headers={"X-Request-Id": "bad.1"})
    body = check_problem(response, 500, "internal_error")
    assert body["request_id"] == response.headers["x-request-id"] == "bad.1"
