"""The stages of a job: their names, their share of the whole, and the time each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.jobs import tracing

Progress = Callable[[str, float], None]
"""Called with a stage's name and the percentage of the whole job that is done when it starts. May raise to stop."""

STAGES = {
    "read": 2.0,
    "mask": 8.0,
    "localise": 8.0,
    "segment": 18.0,
    "surface": 40.0,
    "morph": 42.0,
    "predict": 62.0,
    "solve": 64.0,
    "write": 88.0,
}
"""Percentage of the whole job that is done when each stage starts. A job takes a mask, or localises and segments. It
predicts, or solves, or both."""


@dataclass
class StageClock:
    """Announces each stage and measures its wall-clock time, in seconds."""

    progress: Progress
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Run one stage."""
        self.progress(name, STAGES[name])
        start = time.perf_counter()
        with tracing.span(f"stage {name}"):
            yield
        self.timings[name] = time.perf_counter() - start
