"""Work on several things at the same time, on threads that stop when the work as a whole does.

The caller may be interrupted by an error that a signal's handler raises, wherever it is. `concurrent.futures` does not
outlive that everywhere: its `wait` can leave locks behind. So the caller waits for plain locks here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from threading import Lock, Thread, get_ident
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

LOOK_EVERY_S = 0.1
"""The caller wakes as often: a signal that comes just before it sleeps would else be handled at the end."""


class Stopped(BaseException):
    """The work of this thread is not wanted any more. Not an `Exception`: no stage takes it for an error of its own."""


def side_by_side(work: Callable[[T], R], items: Sequence[T], at_once: int) -> list[R]:
    """Return what the work gives for each item, in their order; so many are worked on at the same time.

    One at a time is worked on in the caller's thread. Else the caller waits. Where the work raises an error, or a
    signal raises one in the caller, the other threads stop too: Python code at once, native code when it returns.
    """
    count = min(at_once, len(items))
    if count <= 1:
        return [work(item) for item in items]
    threads = _Threads(work, items)
    try:
        threads.start(count)
        threads.wait()
    finally:
        threads.stop()
        threads.wait()
    if threads.error is not None:
        raise threads.error
    return [threads.results[number] for number in range(len(items))]


class _Threads(Generic[T, R]):
    """Threads that take one item after the other.

    Attributes
    ----------
    results
        By the number of the item.
    error
        The first that the work raised.
    """

    def __init__(self, work: Callable[[T], R], items: Sequence[T]) -> None:
        self.results: dict[int, R] = {}
        self.error: BaseException | None = None
        self._work, self._items = work, items
        self._lock = Lock()
        self._begun = 0
        self._working: set[int] = set()
        self._stopped = False
        self._ends: list[Lock] = []

    def start(self, count: int) -> None:
        """Start so many threads."""
        for _ in range(count):
            end = Lock()
            end.acquire()
            thread = Thread(target=copy_context().run, args=(self._run, end), name="side by side")
            self._ends.append(end)
            try:
                thread.start()
            except BaseException:  # no memory for its stack, or a signal's
                if thread.ident is None:
                    end.release()
                raise

    def wait(self) -> None:
        """Wait until all threads have ended."""
        for end in self._ends:
            while not end.acquire(timeout=LOOK_EVERY_S):
                pass
            end.release()

    def stop(self, error: BaseException | None = None) -> None:
        """Let no item begin any more, and raise `Stopped` in each other thread that works."""
        with self._lock:
            if self._stopped:
                return
            self._stopped, self.error = True, error  # before anything that may fail for want of memory
            for thread in self._working:
                if thread != get_ident():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Stopped))

    def _run(self, end: Lock) -> None:
        """Work in this thread, until no item is left or an error ends the work of all threads."""
        try:
            with suppress(Stopped):
                try:
                    while (number := self._take()) is not None:
                        self.results[number] = self._work(self._items[number])
                except BaseException as error:
                    self.stop(error)
                with self._lock:
                    self._working.discard(get_ident())
        finally:
            end.release()

    def _take(self) -> int | None:
        """Return the number of the next item; None where none is left."""
        with self._lock:
            if self._stopped or self._begun == len(self._items):
                return None
            self._working.add(get_ident())
            self._begun += 1
            return self._begun - 1
