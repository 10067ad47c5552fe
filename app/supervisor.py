"""Keeps child processes running, and stops all of them at the end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app.jobs.parent_death import die_with_parent

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]
"""Folder that holds the packages ``app`` and ``workers``, which child processes import."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
"""Pauses before a process starts again; the pause doubles while the process keeps dying."""

HEALTHY_AFTER_S = 60.0
"""A process that ran for this long was healthy, so its next pause is the first one again."""


@dataclass
class Child:
    """A process that the supervisor keeps alive.

    Parameters
    ----------
    name
        Name in the log.
    command, environment
        Command line and environment of the process.
    stop_signal, stop_within_s
        Signal that asks the process to end, and seconds to wait before the supervisor kills its whole process group.
    orphan_signal
        Signal that the kernel sends to the process when the supervisor itself is killed.
    wait_for
        The process starts only when this function returns true.
    inherited
        File descriptors that the process inherits, with the same numbers.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str]
    stop_signal: int = signal.SIGTERM
    stop_within_s: float = 10.0
    orphan_signal: int = signal.SIGKILL
    wait_for: Callable[[], bool] = lambda: True
    inherited: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    pause_s: float = field(default=FIRST_PAUSE_S, init=False)
    start_after: float = field(default=0.0, init=False)
    deaths: int = field(default=0, init=False)
    last_status: int | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the process in a process group of its own, so that Ctrl-C reaches only the supervisor."""
        self.process = subprocess.Popen(
            self.command,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            pass_fds=self.inherited,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid(), self.orphan_signal),
        )
        self.started_at = time.monotonic()
        log.info("%s started, process %d", self.name, self.process.pid)

    def watch(self) -> None:
        """Start the process again if it has died. The pause before the start doubles after each quick death."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            self.deaths, self.last_status = self.deaths + 1, self.process.returncode
            log.error("%s died with status %d", self.name, self.last_status)
            self._kill_group()
            self.process = None
            healthy = now - self.started_at > HEALTHY_AFTER_S
            self.pause_s = FIRST_PAUSE_S if healthy else min(2 * self.pause_s, LONGEST_PAUSE_S)
            self.start_after = now + self.pause_s
        elif self.process is None and now >= self.start_after and self.wait_for():
            self.start()

    def stop(self) -> None:
        """Ask the process to end, then kill what is left of its process group."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(self.stop_within_s)
            except subprocess.TimeoutExpired:
                log.warning("%s did not end within %g s; it is killed", self.name, self.stop_within_s)
        self._kill_group()
        self.process.wait()
        self.process = None
        log.info("%s stopped", self.name)

    def _kill_group(self) -> None:
        assert self.process is not None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def python_path() -> str:
    """Return the ``PYTHONPATH`` of child processes: that of this process, with the packages of `ROOT` before it."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


class ChildKeepsDying(Exception):
    """A child process died as often as the limit allows before the service was ready; the message says which."""


class Supervisor:
    """Starts child processes in order, watches them, and stops them in reverse order.

    Parameters
    ----------
    children
        The processes.
    most_deaths
        `run` ends when a process has died so often before `is_ready` is set; ``None`` means never.
    poll_s
        Pause between two looks at the processes, seconds.
    """

    def __init__(self, children: list[Child], most_deaths: int | None = None, poll_s: float = 0.2) -> None:
        self._children = children
        self._most_deaths = most_deaths
        self._poll_s = poll_s
        self._ending = False
        self.is_ready = threading.Event()

    def end(self, *_: object) -> None:
        """Ask `run` to return. This method is a signal handler."""
        self._ending = True

    def run(self) -> None:
        """Run the child processes until `end` is called.

        Raises
        ------
        ChildKeepsDying
            The start is hopeless.
        """
        try:
            while not self._ending:
                for child in self._children:
                    child.watch()
                    self._check_start(child)
                time.sleep(self._poll_s)
        finally:
            for child in reversed(self._children):
                child.stop()

    def _check_start(self, child: Child) -> None:
        if self._most_deaths is None or self.is_ready.is_set() or child.deaths < self._most_deaths:
            return
        raise ChildKeepsDying(
            f"The {child.name} has died {child.deaths} times, the last time with status {child.last_status}, and the "
            "service was never ready. The log above says why."
        )
