"""Checks of the parts of the service that may hang, each with a thread of its own and a time budget.

A part that hangs holds its own thread alone. Requests that ask meanwhile share the check that runs, so many of them
take no more threads than one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Probes:
    """Runs checks by their name; only for the event loop of one gateway."""

    def __init__(self) -> None:
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._running: dict[str, asyncio.Future[Any]] = {}

    async def ask(self, name: str, check: Callable[[], Answer], budget_s: float) -> Answer:
        """Return what a check returns, or raise what it raises. Raise `TimeoutError` after the budget (seconds)."""
        running = self._running.get(name)
        if running is None or running.done():
            if name not in self._threads:
                self._threads[name] = ThreadPoolExecutor(1, thread_name_prefix=f"probe-{name}")
            running = asyncio.get_running_loop().run_in_executor(self._threads[name], check)
            running.add_done_callback(_look_at_error)
            self._running[name] = running
        async with asyncio.timeout(budget_s):
            return await asyncio.shield(running)

    def close(self) -> None:
        """End the threads; one that hangs ends with its call."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)


def _look_at_error(future: asyncio.Future[Any]) -> None:
    """Take note of the error of a check that nobody waits for any more; asyncio would log it as forgotten."""
    if not future.cancelled():
        future.exception()
