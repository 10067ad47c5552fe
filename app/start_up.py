"""Waits until a service is ready, and tells how far its start is. It waits for progress, not for a clock."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

STUCK_AFTER_S = 900.0
"""A start in which nothing new happens for so long is stuck. Its longest step computes for 6 s, so this is true even
where a process gets a hundredth of a core."""

ANSWER_WITHIN_S = 30.0
POLL_S = 0.3


class StartError(Exception):
    """The service does not get ready; the message says what it waits for."""


@dataclass(frozen=True)
class StartState:
    """Where the start of a service is."""

    is_ready: bool
    text: str


def is_ready(url: str) -> bool:
    """Return whether the service at a URL can accept and run jobs."""
    return look(url).is_ready


def progress(url: str, check: Callable[[], None] = lambda: None) -> Iterator[StartState]:
    """Yield each new state of a start; the last one is ready.

    A state that was there before is not new, so a worker that dies and starts again and again makes no progress.

    Parameters
    ----------
    url
        URL of the service.
    check
        Called often; it may raise an error that ends the wait, for example because a process has died.

    Raises
    ------
    StartError
        Nothing new has happened for `STUCK_AFTER_S`.
    """
    seen: set[str] = set()
    last_news = time.monotonic()
    while True:
        check()
        state = look(url)
        if state.is_ready or state.text not in seen:
            seen.add(state.text)
            last_news = time.monotonic()
            yield state
        if state.is_ready:
            return
        if time.monotonic() - last_news > STUCK_AFTER_S:
            raise StartError(f"Nothing new has happened for {STUCK_AFTER_S:g} s. The last state: {state.text}.")
        time.sleep(POLL_S)


def look(url: str) -> StartState:
    """Return where the start of the service at a URL is."""
    try:
        response = httpx.get(f"{url}/health/ready", timeout=ANSWER_WITHIN_S, verify=_trusted())
        body = response.json()
        if response.status_code == 200 and body["components"]:
            return StartState(True, "ready")
        return StartState(False, _describe(body))
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
        return StartState(False, "the gateway does not answer yet")


@cache
def _trusted() -> ssl.SSLContext:
    """Return the certificates that are trusted. Reading them takes 30 ms, which each look would do anew."""
    return httpx.create_ssl_context()


def _describe(body: dict[str, Any]) -> str:
    """Return what a service that is not ready waits for."""
    faults = {name: part["detail"] for name, part in body["components"].items() if not part["ok"]}
    starts = [worker["starting"] for worker in body.get("workers", []) if worker["starting"]]
    if starts:
        faults["workers"] = ", ".join(f"{at['step']} ({at['done']} of {at['total']})" for at in starts)
    return "; ".join(f"{name}: {detail}" for name, detail in faults.items())
