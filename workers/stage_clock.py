"""The stages of a job: their names, their share of the whole, and the time each took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    done, share
        Percentage of the whole job that is done before this clock's stages, and their share of a job of one level.
    """

    progress: Progress
    timings: dict[str, float] = field(default_factory=dict)
    level: Vertebra | None = None
    done: float = 0.0
    share: float = 1.0

    @contextmanager
    def stage(self, name: str) -> Iterator[Told]:
        """Run one stage, which may tell the share of it that is done."""
        self._announce(name, 0.0)
        start = time.perf_counter()
        with tracing.span(f"stage {name}"):
            yield lambda share: self._announce(name, share)
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start

    def _announce(self, name: str, share: float) -> None:
        """Tell the percentage that is done where so much of a stage is."""
        next_stage = min((percent for percent in STAGES.values() if percent > STAGES[name]), default=100.0)
        percent = self.done + self.share * (STAGES[name] + share * (next_stage - STAGES[name]))
        if self.level is None:
            self.progress(name, percent)
        else:
            self.progress(name, percent, self.level)


@dataclass
class SharedClock(StageClock):
    """The clock of what the levels of a job share; each level has a clock of its own.

    Attributes
    ----------
    once
        Percentage of a job of one level that the levels share.
    """

    once: float = 0.0

    @contextmanager
    def of_level(self, level: Vertebra, number: int) -> Iterator[StageClock]:
        """Give a level its own clock, whose times are added to this one's; `number` levels came before it."""
        done = number * self.share * (100.0 - self.once)
        own = StageClock(self.progress, level=level, done=done, share=self.share)
        try:
            yield own
        finally:
            for name, seconds in own.timings.items():
                self.timings[name] = self.timings.get(name, 0.0) + seconds


def shared_clock(progress: Progress, levels: int, first_of_level: str) -> SharedClock:
    """Return the clock of a job of so many levels, of which each begins with the stage `first_of_level`."""
    once = STAGES[first_of_level]
    return SharedClock(progress, share=100.0 / (once + levels * (100.0 - once)), once=once)
