"""The stages of a job: their names, their share of the whole, and the time each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from app.contract.params import Vertebra
from app.jobs import tracing
from workers.imaging.steps import Told


class Progress(Protocol):
    """Told of each stage as it starts, and of the steps of a long one; may raise to stop the job."""

    def __call__(self, stage: str, percent: float, level: Vertebra | None = None, /) -> None:
        """Take a stage's name, the percentage of the whole job that is done, and the level, of a job with several."""


STAGES = {
    "read": 2.0,
    "mask": 8.0,
    "localise": 8.0,
    "segment": 18.0,
    "surface": 40.0,
    "morph": 42.0,
    "material": 60.0,
    "predict": 62.0,
    "solve": 64.0,
    "crush": 70.0,
    "write": 88.0,
}
"""Percentage of a job of one level that is done when each stage starts. A job takes a mask, or localises and segments.
It predicts, or solves, or both."""


def _alone(stage: str) -> AbstractContextManager[None]:
    """Do nothing while a stage runs beside which no other does."""
    return nullcontext()


@dataclass
class StageClock:
    """Announces each stage and measures its wall-clock time, in seconds.

    Attributes
    ----------
    progress
        Told of each stage.
    timings
        Seconds a stage.
    level
        The level that is worked on, of a job with several.
    share
        Of the whole job in a job of one level.
    during
        Entered while a stage of this name runs.
    """

    progress: Progress
    timings: dict[str, float] = field(default_factory=dict)
    level: Vertebra | None = None
    share: float = 1.0
    during: Callable[[str], AbstractContextManager[None]] = _alone

    @contextmanager
    def stage(self, name: str) -> Iterator[Told]:
        """Run one stage, which may tell the share of it that is done."""
        self._announce(name, 0.0)
        start = time.perf_counter()
        with tracing.span(f"stage {name}"), self.during(name):
            yield lambda share: self._announce(name, share)
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start

    def _announce(self, name: str, share: float) -> None:
        """Tell the percentage that is done where so much of a stage is."""
        next_stage = min((percent for percent in STAGES.values() if percent > STAGES[name]), default=100.0)
        percent = self.share * (STAGES[name] + share * (next_stage - STAGES[name]))
        if self.level is None:
            self.progress(name, percent)
        else:
            self.progress(name, percent, self.level)


@dataclass
class SharedClock(StageClock):
    """The clock of a job; each level of a job with several has a clock of its own, and several may run at once.

    Its own times are those of the whole job: while stages of several levels run, each counts for its part of the time.
    So they add up to what the job took.

    Attributes
    ----------
    once
        Percentage of a job of one level that the levels share.
    """

    once: float = 0.0

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._running: list[str] = []
        self._since = 0.0
        self._done: dict[Vertebra, float] = {}

    @contextmanager
    def of_level(self, level: Vertebra) -> Iterator[StageClock]:
        """Give a level its own clock, in a thread of its own if need be."""

        def tell(stage: str, percent: float, _: Vertebra | None = None) -> None:
            with self._lock:
                self._done[level] = percent - self.once
                self.progress(stage, self.share * (self.once + sum(self._done.values())), level)

        try:
            yield StageClock(tell, level=level, during=self._counted)
        finally:
            with self._lock:
                self._done[level] = 100.0 - self.once

    @contextmanager
    def _counted(self, stage: str) -> Iterator[None]:
        """Count the time of a level's stage."""
        with self._lock:
            self._count()
            self._running.append(stage)
        try:
            yield
        finally:
            with self._lock:
                self._count()
                self._running.remove(stage)

    def _count(self) -> None:
        """Divide the time since the last stage began or ended evenly among those that ran."""
        now = time.perf_counter()
        for stage in self._running:
            self.timings[stage] = self.timings.get(stage, 0.0) + (now - self._since) / len(self._running)
        self._since = now


def shared_clock(progress: Progress, levels: int, first_of_level: str) -> SharedClock:
    """Return the clock of a job of so many levels, of which each begins with the stage `first_of_level`."""
    once = STAGES[first_of_level]
    return SharedClock(progress, share=100.0 / (once + levels * (100.0 - once)), once=once)
