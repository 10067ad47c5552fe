"""The wait for a service that starts: it lasts while there is progress, and says what it waits for."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from app import start_up, supervisor
from app.demo import DemoError, service
from app.jobs.settings import Settings
from app.start_up import StartError, StartState, is_ready, progress
from app.supervisor import Child, ChildKeepsDying, Supervisor
from tests.app.harness import PATIENCE_S, Broker, running_worker


class Starting(BaseHTTPRequestHandler):
    """A service whose readiness is what a test says: one answer after the other, and the last one again and again."""

    answers: list[tuple[int, Any]]

    def do_GET(self) -> None:
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode() if body is not None else b"<html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(start_up, "POLL_S", 0.0)
    with HTTPServer(("127.0.0.1", 0), Starting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def step(name: str, done: int) -> tuple[int, Any]:
    worker = {"name": "host:1", "starting": {"step": name, "done": done, "total": 9}}
    workers = {"ok": False, "detail": "host:1 is starting"}
    return 503, {"components": {"database": {"ok": True, "detail": "ok"}, "workers": workers}, "workers": [worker]}


READY = 200, {"status": "ok", "components": {"workers": {"ok": True, "detail": "ok"}}, "workers": []}
NO_BROKER = 503, {"components": {"broker": {"ok": False, "detail": "does not answer"}}}


def test_each_new_state_is_told_once(url: str) -> None:
    Starting.answers = [(502, None), NO_BROKER, NO_BROKER, step("compiling a", 0), step("compiling b", 1), READY]
    assert [state.text for state in progress(url)] == [
        "the gateway does not answer yet",
        "broker: does not answer",
        "workers: compiling a (0 of 9)",
        "workers: compiling b (1 of 9)",
        "ready",
    ]


def test_the_wait_is_for_progress_and_not_for_a_clock(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_up, "STUCK_AFTER_S", 1.0)
    clock = iter(range(1000))  # a second passes at each look
    monkeypatch.setattr(start_up.time, "monotonic", lambda: float(next(clock)))
    Starting.answers = [*(step("compiling", done) for done in range(9)), READY]
    assert list(progress(url))[-1] == StartState(True, "ready")


def test_a_start_that_repeats_itself_is_stuck(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_up, "STUCK_AFTER_S", 0.2)
    Starting.answers = [*[step("compiling a", 0), step("compiling b", 1)] * 500, step("compiling b", 1)]
    with pytest.raises(StartError, match=r"workers: compiling . \(. of 9\)"):
        list(progress(url))


def test_a_process_that_dies_ends_the_wait(url: str) -> None:
    Starting.answers = [step("compiling a", 0)]

    def check() -> None:
        raise StartError("It ended with status 3.")

    with pytest.raises(StartError, match="status 3"):
        list(progress(url, check))


def test_another_program_is_not_ready(url: str) -> None:
    Starting.answers = [(200, {"status": "ok"})]
    assert not is_ready(url)
    Starting.answers = [(200, ["ok"])]
    assert not is_ready(url)
    assert not is_ready("http://127.0.0.1:1")


def test_a_start_is_given_up_when_a_process_keeps_dying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 0.0)
    lives = Child("gateway", [sys.executable, "-c", "import signal; signal.pause()"], {})
    dies = Child("worker", [sys.executable, "-c", "raise SystemExit(7)"], {})
    with pytest.raises(ChildKeepsDying, match="worker has died 3 times, the last time with status 7"):
        Supervisor([lives, dies], most_deaths=3, poll_s=0.0).run()
    assert lives.process is None  # it is stopped too


def test_a_worker_that_cannot_start_ends_and_says_why(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("FAKE_WORKER_BROKEN", "1")
    settings = Settings(data_dir=tmp_path, broker_url=broker.url)
    with running_worker(settings, tmp_path / "log") as worker:
        worker.wait(PATIENCE_S)
    assert "the bundle is damaged" in (tmp_path / "log").read_text()


def test_a_demonstration_whose_service_ends_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEBRA_WORKER_CONCURRENCY", "0")  # no acceptable setting
    told: list[str] = []
    with pytest.raises(DemoError, match="It ended with status 1") as caught, service("http://127.0.0.1:1", told.append):
        pytest.fail("it is ready")
    assert "VERTEBRA_WORKER_CONCURRENCY" in str(caught.value)
    assert set(told) <= {"the gateway does not answer yet"}
