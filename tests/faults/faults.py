"""The faults that a service meets, one at a time, in rounds of random order."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import redis

from app.supervisor import Child
from tests.faults.stack import Stack

SHORTEST_S, LONGEST_S = 1.0, 4.0
"""How long a fault lasts that lasts, and the pause after each fault."""


class Faults:
    """Does harm to a stack until it is told to stop; counts what it did."""

    def __init__(self, stack: Stack, source: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._stack, self._source = stack, source
        self._stop = threading.Event()
        self._kinds: dict[str, Callable[[], None]] = {
            "pool process killed": self._kill_pool_process,
            "worker killed": lambda: self._signal(self._worker(), signal.SIGKILL),
            "worker told to stop": lambda: self._signal(self._worker(), signal.SIGTERM),
            "queue killed": lambda: self._signal(stack.broker, signal.SIGKILL),
            "queue emptied": self._empty_queue,
            "queue hangs": self._hang_queue,
            "gateway killed": lambda: self._signal(stack.gateway, signal.SIGKILL),
            "storage refuses": self._refuse_storage,
        }

    def run(self) -> None:
        """Do one fault after the other, every kind once a round, until `stop`; then the round ends early."""
        while not self._stop.is_set():
            for name in self._source.sample(sorted(self._kinds), len(self._kinds)):
                if self._stop.wait(self._seconds()):
                    return
                with suppress(psutil.NoSuchProcess, ProcessLookupError, redis.RedisError):
                    self._kinds[name]()
                    self.counts[name] += 1

    def stop(self) -> None:
        """Let `run` end after the fault that it does."""
        self._stop.set()

    def _seconds(self) -> float:
        return self._source.uniform(SHORTEST_S, LONGEST_S)

    def _worker(self) -> Child:
        return self._source.choice(self._stack.workers)

    def _signal(self, child: Child, signum: int) -> None:
        """Send a signal to a process; one that starts again at the moment is killed already."""
        process = child.process
        if process is None:
            raise ProcessLookupError
        os.kill(process.pid, signum)

    def _kill_pool_process(self) -> None:
        process = self._worker().process
        if process is None:
            raise ProcessLookupError
        pool = psutil.Process(process.pid).children()
        if not pool:
            raise ProcessLookupError
        pool[0].kill()

    def _empty_queue(self) -> None:
        with redis.Redis.from_url(self._stack.settings.broker, socket_timeout=5) as client:
            client.flushall()

    def _hang_queue(self) -> None:
        self._signal(self._stack.broker, signal.SIGSTOP)
        time.sleep(self._seconds())
        self._signal(self._stack.broker, signal.SIGCONT)

    def _refuse_storage(self) -> None:
        """Let the storage's link name a file for some seconds, so that every read and write fails."""
        self._point_storage_at(Path("/dev/null"))
        time.sleep(self._seconds())
        self._point_storage_at(self._stack.folder)

    def _point_storage_at(self, target: Path) -> None:
        new = self._stack.link.with_name("storage-new")
        new.symlink_to(target)
        os.replace(new, self._stack.link)
