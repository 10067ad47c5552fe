"""Work on threads: results in order, and an end that all of them share."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from workers import side_by_side as side_by_side_module
from workers.side_by_side import Stopped, side_by_side

PATIENCE_S = 60.0
ABOUT: ContextVar[str] = ContextVar("ABOUT", default="")


def for_ever(ended: list[BaseException]) -> None:
    """Run Python code until something is raised in this thread."""
    try:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            time.sleep(0.001)
    except BaseException as error:
        ended.append(error)
        raise


def test_two_are_worked_on_at_once_and_the_results_have_the_order_of_the_items():
    meeting = threading.Barrier(2)

    def work(item: int) -> tuple[int, str]:
        meeting.wait(PATIENCE_S)
        time.sleep(0.02 * (4 - item))
        return item, ABOUT.get()

    ABOUT.set("the job")
    assert side_by_side(work, [0, 1, 2, 3], 2) == [(item, "the job") for item in range(4)]


@pytest.mark.parametrize(("items", "at_once"), [([1, 2], 1), ([1], 2), ([], 2)])
def test_one_at_a_time_is_worked_on_in_the_caller_s_thread(items: list[int], at_once: int):
    seen = side_by_side(lambda item: (item, threading.current_thread()), items, at_once)
    assert seen == [(item, threading.current_thread()) for item in items]


def raises_an_error(started: threading.Event) -> None:
    started.wait(PATIENCE_S)
    raise ValueError("a fault")


def is_interrupted(started: threading.Event) -> None:
    """As a running attempt is by its watch (`workers.attempt_watch`)."""
    started.wait(PATIENCE_S)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
    for_ever([])


@pytest.mark.parametrize(("end", "error"), [(raises_an_error, ValueError), (is_interrupted, InterruptedError)])
def test_an_error_stops_the_others_and_what_has_not_begun(end: Callable[[threading.Event], None], error: type):
    def interrupt(*_: object) -> None:
        raise InterruptedError

    started, ended, begun = threading.Event(), [], []

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            end(started)
        started.set()
        for_ever(ended)

    before, threads = signal.signal(signal.SIGUSR1, interrupt), threading.active_count()
    try:
        with pytest.raises(error):
            side_by_side(work, range(9), 2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [type(reason) for reason in ended] == [Stopped]
    assert sorted(begun) == [0, 1]
    end = time.monotonic() + PATIENCE_S
    while threading.active_count() > threads and time.monotonic() < end:
        time.sleep(0.001)
    assert threading.active_count() == threads


def test_the_caller_does_not_wait_for_a_thread_that_could_not_stop_the_others(monkeypatch):
    """As where even that lacks memory."""

    def no_memory(*_: object) -> None:
        raise MemoryError

    def work(_item: int) -> None:
        monkeypatch.setattr(side_by_side_module.ctypes, "py_object", no_memory)
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        side_by_side(work, [1, 2], 2)
