"""The faults that a service meets, one at a time, in rounds of random order."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import redis

from app.supervisor import Child
from tests.faults.one_machine import OneMachine
from tests.faults.stack import Stack

SHORTEST_S, LONGEST_S = 1.0, 4.0
"""How long a fault lasts that lasts, and the pause after each fault."""

Kinds = Mapping[str, Callable[[], None]]


class Faults:
    """Does harm until it is told to stop; counts what it did."""

    def __init__(self, kinds: Kinds, source: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._kinds, self._source = kinds, source
        self._stop = threading.Event()

    def run(self) -> None:
        """Do one fault after the other, every kind once a round, until `stop`; then the round ends early."""
        while not self._stop.is_set():
            for name in self._source.sample(sorted(self._kinds), len(self._kinds)):
                if self._stop.wait(seconds(self._source)):
                    return
                with suppress(psutil.NoSuchProcess, ProcessLookupError, redis.RedisError):
                    self._kinds[name]()
                    self.counts[name] += 1

    def stop(self) -> None:
        """Let `run` end after the fault that it does."""
        self._stop.set()


def faults_of_processes(stack: Stack, source: random.Random) -> Kinds:
    """Return what can be done to the processes of any service."""

    def any_of(children: list[Child], signum: int) -> Callable[[], None]:
        return lambda: send(source.choice(children), signum)

    return {
        "pool process killed": lambda: kill_pool_process(source.choice(stack.workers)),
        "worker killed": any_of(stack.workers, signal.SIGKILL),
        "worker told to stop": any_of(stack.workers, signal.SIGTERM),
        "queue killed": any_of([stack.broker], signal.SIGKILL),
        "queue emptied": lambda: empty_queue(stack),
        "queue hangs": lambda: hang(stack.broker, source),
        "gateway killed": any_of(stack.gateways, signal.SIGKILL),
    }


def faults_of_one_machine(machine: OneMachine, source: random.Random) -> Kinds:
    """Return what can be done to a service on one machine."""

    def refuse_storage() -> None:
        machine.point_storage_at(Path("/dev/null"))
        time.sleep(seconds(source))
        machine.point_storage_at(machine.folder)

    return {**faults_of_processes(machine, source), "storage refuses": refuse_storage}


def seconds(source: random.Random) -> float:
    """Return how long something lasts."""
    return source.uniform(SHORTEST_S, LONGEST_S)


def send(child: Child, signum: int) -> None:
    """Send a signal to a process; one that starts again at the moment is killed already."""
    process = child.process
    if process is None:
        raise ProcessLookupError
    os.kill(process.pid, signum)


def hang(child: Child, source: random.Random) -> None:
    """Let a process stand still for a while."""
    send(child, signal.SIGSTOP)
    time.sleep(seconds(source))
    send(child, signal.SIGCONT)


def kill_pool_process(worker: Child) -> None:
    """Kill the process of a worker that runs jobs."""
    process = worker.process
    if process is None:
        raise ProcessLookupError
    pool = psutil.Process(process.pid).children()
    if not pool:
        raise ProcessLookupError
    pool[0].kill()


def empty_queue(stack: Stack) -> None:
    """Let the queue lose everything."""
    with redis.Redis.from_url(stack.broker_url, socket_timeout=5) as client:
        client.flushall()
