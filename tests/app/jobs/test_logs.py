"""Log lines as text and as JSON."""

from __future__ import annotations

import json
import logging
import re
import sys

import pytest

from app.jobs import logs
from app.jobs.settings import Settings


def line(formatter: logging.Formatter, message: str = "job %s done", *, error: bool = False) -> str:
    record = logging.LogRecord("app.x", logging.INFO, "x.py", 1, message, ("j",), sys.exc_info() if error else None)
    return formatter.format(record)


def test_text_names_the_request() -> None:
    assert line(logs.TextFormatter()).endswith(" INFO app.x: job j done")
    with logs.about("r-1", "j"):
        assert line(logs.TextFormatter()).endswith(" INFO app.x [r-1]: job j done")
    assert "r-1" not in line(logs.TextFormatter())


def test_json_is_one_object_a_line() -> None:
    with logs.about("r-1", "j"):
        written = json.loads(line(logs.JsonFormatter()))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", written.pop("time"))
    assert written.pop("process") > 0
    assert written == {
        "level": "INFO", "logger": "app.x", "message": "job j done", "request_id": "r-1", "job_id": "j",
    }  # fmt: skip
    assert not {"request_id", "job_id", "traceback"} & json.loads(line(logs.JsonFormatter())).keys()


def test_json_holds_a_traceback_in_one_line() -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        text = line(logs.JsonFormatter(), "failed\n%s", error=True)
    assert "\n" not in text
    written = json.loads(text)
    assert written["message"] == "failed\nj"
    assert written["traceback"].endswith("RuntimeError: broken")


def test_the_lines_of_a_server_go_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.addHandler(logging.StreamHandler())
    try:
        logs.configure(Settings(log_format="json", log_level="WARNING"))
        uvicorn.error("the port is taken")
        logging.getLogger("app.x").info("silent")
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level = before
    (written,) = capsys.readouterr().err.splitlines()
    assert json.loads(written)["message"] == "the port is taken"
