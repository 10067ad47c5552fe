from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.api import job_watch
from tests.app.conftest import broker, client, gateway, settings
from vertebra_client import AsyncClient, Client, Options, Retries, waiting

__all__ = ["broker", "client", "gateway", "settings"]

QUICK = Options(retries=Retries(first_pause_s=0.02, longest_pause_s=0.1))


class Blocking:
    """An `AsyncClient` whose calls block: each runs in an event loop of its own, with a client of its own."""

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, name)

    def jobs(self, *arguments: Any) -> list[Any]:
        async def run() -> list[Any]:
            async with AsyncClient(*self._arguments) as client:
                return [job async for job in client.jobs(*arguments)]

        return asyncio.run(run())

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        async def run() -> Any:
            async with AsyncClient(*self._arguments) as client:
                return await getattr(client, name)(*arguments, **named)

        return asyncio.run(run())


@pytest.fixture(params=[Client, Blocking])
def connect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make a client of a URL: one of each kind in turn, with the key of tenant a and short pauses."""
    monkeypatch.setattr(job_watch, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(waiting, "POLL_S", 0.05)
    made: list[Client] = []

    def connect(url: str, key: str = "key-a", options: Options = QUICK) -> Any:
        client = request.param(url, key, options)
        if isinstance(client, Client):
            made.append(client)
        return client

    yield connect
    for each in made:
        each.close()
