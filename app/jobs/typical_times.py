"""How long a job takes, as the jobs before it took: the median of each stage over recent jobs like it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

FEWEST = 3
"""Jobs that a median needs; with fewer nothing is told."""

SIMILAR_SIZE = 2.0
"""A CT counts as alike within this factor of its bytes: the time to look through a scan grows with it."""


@dataclass(frozen=True)
class Work:
    """What decides how long a job takes.

    Attributes
    ----------
    has_mask, has_seed
        What the client sent beside the CT.
    levels
        How many levels it asks for, or ``all``.
    fidelity, surrogate
        How the stress is computed.
    ct_size
        Bytes of the CT.
    """

    has_mask: bool
    has_seed: bool
    levels: int | str
    fidelity: str | None
    surrogate: str | None
    ct_size: int

    def is_like(self, other: Work) -> bool:
        """Return whether two jobs should take about as long."""
        small, large = sorted((self.ct_size, other.ct_size))
        return replace(self, ct_size=other.ct_size) == other and large <= SIMILAR_SIZE * small


def work_of(params: Mapping[str, Any], has_mask: bool, ct_size: int) -> Work:
    """Return the work of a job from the parameters in its row."""
    vertebra = params.get("vertebra")
    levels = vertebra if vertebra == "all" else len(vertebra) if isinstance(vertebra, list) else 1
    has_seed = params.get("seed_ras_mm") is not None
    return Work(has_mask, has_seed, levels, params.get("fidelity"), params.get("surrogate"), ct_size)


@dataclass(frozen=True)
class Done:
    """A job that has succeeded: its work, and the seconds of each stage in their order."""

    work: Work
    timings: Mapping[str, float]


def typical_stages(work: Work, recent: Iterable[Done]) -> dict[str, float]:
    """Return the median seconds of each stage, in order, of recent jobs like this one; nothing of fewer than `FEWEST`.

    A stage that most of them did not have takes no time.
    """
    alike = [done.timings for done in recent if done.work.is_like(work)]
    if len(alike) < FEWEST:
        return {}
    names = list(dict.fromkeys(name for timings in sorted(alike, key=len, reverse=True) for name in timings))
    return {name: median(timings.get(name, 0.0) for timings in alike) for name in names}


def seconds_left(stages: Mapping[str, float], elapsed_s: float, stage: str | None) -> float | None:
    """Return about how long a job goes on that runs for ``elapsed_s`` seconds.

    What the others took in all, less what is over; but no less than the stages that are still to come, and no more than
    those with the present one. ``None`` where nothing is known, or the job is already slower than the others.

    Parameters
    ----------
    stages
        Seconds of each stage, in order.
    elapsed_s
        For how long the job runs, s.
    stage
        The present one; ``None`` for a job of several levels, which comes to each stage again.
    """
    if not stages:
        return None
    left = sum(stages.values()) - elapsed_s
    if stage is None or stage not in stages:
        return left if left > 0 else None
    names = list(stages)
    after = sum(stages[name] for name in names[names.index(stage) + 1 :])
    return min(max(left, after), after + stages[stage])
