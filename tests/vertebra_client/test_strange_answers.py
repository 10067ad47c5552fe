"""Answers of proxies and of other releases, from a server that gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from app.contract.errors import ProcessingError, RequestError, Unavailable, all_errors
from tests.app.harness import post, running_app
from vertebra_client import UnexpectedAnswerError
from vertebra_client.answers import error_in, retry_after_s
from vertebra_client.calls import Answer
from vertebra_client.events import Event, EventParser

Connect = Callable[..., Any]
ID = "0" * 32


@pytest.fixture(scope="module")
def answers() -> dict[str, list[Response]]:
    """What the server answers next, by the last part of the path; the last answer stays."""
    return {}


@pytest.fixture(scope="module")
def strange(answers: dict[str, list[Response]]) -> Iterator[str]:
    app = FastAPI()

    @app.get("/v1/{name:path}")
    def answer(name: str) -> Response:
        left = answers[name]
        return left.pop(0) if len(left) > 1 else left[0]

    with running_app(app) as url:
        yield url


def test_a_job_of_another_release_is_read(
    connect: Connect, strange: str, answers: dict[str, list[Response]], client: httpx.Client
) -> None:
    job = post(client).json() | {"mood": "new"}
    job["params"] |= {"gravity": 9.81, "load_newton": 700.0}
    answers[f"jobs/{ID}"] = [JSONResponse(job)]
    answers["jobs"] = [JSONResponse({"jobs": [job], "next_cursor": None})]
    known = connect(strange).job(ID)
    assert (known.id, known.params.load_newton) == (job["id"], 700.0)
    assert [each.id for each in connect(strange).jobs()] == [job["id"]]
    del job["queue_place"]  # as in a release that was before it
    answers[f"jobs/{ID}"] = [JSONResponse(job)]
    assert connect(strange).job(ID).queue_place is None
    answers[f"jobs/{ID}"] = [JSONResponse(job | {"state": "levitating"})]
    with pytest.raises(UnexpectedAnswerError, match="no Job as this release"):
        connect(strange).job(ID)


def test_a_proxy_that_does_not_reach_the_service_is_asked_again(
    connect: Connect, strange: str, answers: dict[str, list[Response]], client: httpx.Client
) -> None:
    job = post(client).json()
    page = Response("<h1>Bad  gateway</h1>", 502)
    answers[f"jobs/{ID}"] = [page, Response("", 503), JSONResponse(job)]
    assert connect(strange).job(ID).id == job["id"]
    answers[f"jobs/{ID}"] = [page]
    with pytest.raises(UnexpectedAnswerError, match="answered 502: <h1>Bad gateway</h1>") as failure:
        connect(strange).job(ID)
    assert failure.value.status == 502


def test_a_redirection_is_told_and_the_key_stays(
    connect: Connect, strange: str, answers: dict[str, list[Response]]
) -> None:
    answers[f"jobs/{ID}"] = [Response("", 308, {"Location": "https://elsewhere.example/v1"})]
    with pytest.raises(UnexpectedAnswerError, match=r"redirects to https://elsewhere\.example/v1"):
        connect(strange).job(ID)


@pytest.mark.parametrize(("status", "family"), [(418, RequestError), (500, ProcessingError), (503, Unavailable)])
def test_a_problem_of_a_newer_release_has_its_family(status: int, family: type[Exception]) -> None:
    known = len(all_errors())
    body = f'{{"type": "/x/problems/moon", "title": "T", "status": {status}, "detail": "D", "phase": 3}}'
    error = error_in(Answer(status, {}, body.encode()))
    assert type(error) is family
    assert error.problem() == {
        "type": "/problems/moon", "title": "T", "status": status, "detail": "D", "phase": 3,
    }  # fmt: skip
    assert len(all_errors()) == known


def test_both_forms_of_retry_after() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert retry_after_s(Answer(429, {"retry-after": "7"})) == 7.0
    assert 80 < (retry_after_s(Answer(429, {"retry-after": later})) or 0) <= 90
    for strange in ({}, {"retry-after": "soon"}):
        assert retry_after_s(Answer(429, strange)) is None


def test_events_from_any_pieces() -> None:
    stream = ": hello\r\nretry: 2000\n\nid: 1\nevent: job\ndata: {\"a\":\ndata: 'ä'}\n\nid: 2\n\ndata:x\n\ndata: half"
    for size in (1, 3, 1000):
        parser, data = EventParser(), stream.encode()
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        events = [event for piece in pieces for event in parser.feed(piece)]
        assert events == [Event("job", "{\"a\":\n'ä'}"), Event("message", "x")]
        assert parser.last_id == "2"
        parser.restart()
        assert list(parser.feed(b"data: y\n\n")) == [Event("message", "y")]
