"""What a log line holds, as text or as JSON, and which request and job it belongs to."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry.trace import format_trace_id, get_current_span

from app.jobs.settings import Settings

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request that this thread or task works for: the one it answers, or the one that submitted its job."""

job_id: ContextVar[str | None] = ContextVar("job_id", default=None)
"""Id of the job that this thread or task works for."""

OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
"""Loggers that a server gives handlers of its own; their lines go to ours instead."""

TALKATIVE = ("httpx", "alembic")
"""Loggers whose INFO says nothing to an operator."""


@contextmanager
def about(request: str | None, job: str) -> Iterator[None]:
    """Within the block every log line of this thread names the request and the job."""
    tokens = request_id.set(request), job_id.set(job)
    try:
        yield
    finally:
        request_id.reset(tokens[0])
        job_id.reset(tokens[1])


class TextFormatter(logging.Formatter):
    """A line for people. The id of the request stands in brackets; the messages themselves name the job."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name in `logging`
        """Return the line without its traceback."""
        request = request_id.get()
        record.request = f" [{request}]" if request else ""
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line.

    It has ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``process``, ``message``, and where they are known
    ``request_id``, ``job_id``, ``trace_id`` and ``traceback``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            "job_id": job_id.get(),
            "trace_id": _trace_id(),
            "traceback": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in line.items() if value is not None}, ensure_ascii=False)


def _trace_id() -> str | None:
    """Return the id of the trace that this thread or task works in, as traces name it."""
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


def configure(settings: Settings) -> None:
    """Send the lines of every logger of this process to standard error, in the format of the settings."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
