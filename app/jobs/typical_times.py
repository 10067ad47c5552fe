"""How long a job takes, as the jobs before it took: the median of each stage over recent jobs like it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from statistics import median
from typing import Any, TypeAlias

Kind: TypeAlias = tuple[bool, bool, int | str, str | None, str | None]

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

    @property
    def kind(self) -> Kind:
        """All of it but the size."""
        return self.has_mask, self.has_seed, self.levels, self.fidelity, self.surrogate


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


class TypicalTimes:
    """What jobs take, by recent ones that are alike: of the same kind, with a CT of about the same size.

    Those of a kind lie in the order of their size, so the ones that are alike follow each other, and jobs that are like
    the same ones share their medians: a thousand jobs need no more medians than the recent ones allow.
    """

    def __init__(self, recent: Iterable[Done]) -> None:
        kinds: dict[Kind, list[tuple[int, int, Mapping[str, float]]]] = {}
        for number, done in enumerate(recent):
            kinds.setdefault(done.work.kind, []).append((done.work.ct_size, number, done.timings))
        self._kinds = {kind: sorted(alike, key=itemgetter(0, 1)) for kind, alike in kinds.items()}
        self._sizes = {kind: [size for size, _, _ in alike] for kind, alike in self._kinds.items()}
        self._medians: dict[tuple[Kind, int, int], dict[str, float]] = {}

    def stages(self, work: Work) -> Mapping[str, float]:
        """Return the median seconds of each stage, in order, of jobs like this one; nothing of fewer than `FEWEST`.

        A stage that most of them did not have takes no time.
        """
        kind = work.kind
        sizes = self._sizes.get(kind, [])
        first = bisect_left(sizes, work.ct_size / SIMILAR_SIZE)
        end = bisect_right(sizes, work.ct_size * SIMILAR_SIZE)
        if end - first < FEWEST:
            return {}
        key = (kind, first, end)
        if key not in self._medians:
            alike = sorted(self._kinds[kind][first:end], key=itemgetter(1))
            self._medians[key] = _medians([timings for _, _, timings in alike])
        return self._medians[key]


def _medians(alike: Sequence[Mapping[str, float]]) -> dict[str, float]:
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
