"""Watches a running attempt from a thread: writes its heartbeat, and ends it when it must not go on.

The thread raises an exception in the main thread, which stops Python code at once and native code when it returns.
Where that takes longer than `NATIVE_CODE_S`, or where the stage first waits for threads of its own, the thread ends the
process; Celery starts another.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from app.jobs.attempts import AttemptStore, Claim
from workers.stopping import is_stopping

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
NATIVE_CODE_S = 1.0
"""A cancelled job stops within the sum of these two, and the service promises 2 s."""

SIGNAL = signal.SIGUSR2
"""Interrupts the main thread. Celery and ONNX Runtime do not use it."""


class Interrupted(BaseException):
    """The attempt must not go on. Not an `Exception`, so that no code of a stage takes it for one of its errors."""


class FencedOut(Interrupted):
    """The attempt no longer holds the current token: its job was cancelled, deleted, overdue or given to another."""


class WorkerStops(Interrupted):
    """The worker was told to stop."""


class Overdue(Interrupted):
    """The attempt ran longer than it may."""


class AttemptWatch:
    """Context in which an attempt runs, in the main thread. `Interrupted` may be raised anywhere in it.

    Parameters
    ----------
    store, claim
        The job rows, and the attempt.
    folder
        The attempt's scratch folder, which is removed if the process must end.
    limits
        Pause between two heartbeats and longest run, seconds.
    conclude
        Called with the reason before the process ends, to write the row.
    """

    def __init__(
        self,
        store: AttemptStore,
        claim: Claim,
        folder: Path,
        limits: tuple[float, float],
        conclude: Callable[[Interrupted], None],
    ) -> None:
        self._store, self._claim, self._folder, self._conclude = store, claim, folder, conclude
        self._heartbeat_s, longest_run_s = limits
        self._next_heartbeat = time.monotonic()
        self._end = self._next_heartbeat + longest_run_s
        self._over = threading.Event()  # the main thread leaves, or has been interrupted
        self._left = threading.Event()
        self._reason: Interrupted | None = None
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="attempt watch", daemon=True)

    def __enter__(self) -> Self:
        self._before = signal.signal(SIGNAL, self._raise_reason)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._left.set()
        self._thread.join()
        signal.signal(SIGNAL, self._before)

    def check(self) -> None:
        """Raise `Interrupted` if the attempt must not go on."""
        if self._reason is not None:
            self._over.set()
            raise self._reason

    def _raise_reason(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._over.is_set():  # neither has the attempt ended, nor does it end already
            self.check()

    def _run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._reason = self._find_reason()
            if self._reason is None:
                continue
            signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)
            if not self._left.wait(NATIVE_CODE_S):
                self._end_process(self._reason)
            return

    def _find_reason(self) -> Interrupted | None:
        if is_stopping():
            return WorkerStops()
        if time.monotonic() > self._end:
            return Overdue()
        return None if self._is_current() else FencedOut()

    def _is_current(self) -> bool:
        """Write the heartbeat when its time has come; return whether the attempt holds the current token."""
        job_id, token = self._claim.job_id, self._claim.token
        try:
            if time.monotonic() >= self._next_heartbeat:
                self._next_heartbeat = time.monotonic() + self._heartbeat_s
                self._store.heartbeat(job_id, token)
            return self._store.is_current(job_id, token)
        except (SQLAlchemyError, MemoryError) as error:
            log.warning("job %s: cannot write the heartbeat (%s)", job_id, type(error).__name__)
            return True

    def _end_process(self, reason: Interrupted) -> None:
        """End this process, because native code does not return."""
        log.warning("job %s: its process ends, because the computation does not stop by itself", self._claim.job_id)
        try:
            self._conclude(reason)
            shutil.rmtree(self._folder, ignore_errors=True)
        finally:
            os._exit(1)
