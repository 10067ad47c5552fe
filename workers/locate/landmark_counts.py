"""Count vertebrae from the lowest rib and from the sacrum, and compare the counts with the appearance of the row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from workers.locate.evidence import BodyEvidence
from workers.locate.level_model import LevelPosterior, infer_levels
from workers.locate.levels import L5, T12, level_name

NEXT_MM = 48.0
"""The body of S1 lies nearer than this to that of the last vertebra: 34 mm in adults (`PITCH_MM`), and people vary."""


@dataclass(frozen=True)
class LevelCounts:
    """The level of one body by three independent ways; None where a way does not apply.

    Attributes
    ----------
    ribs, sacrum
        Counted down from the lowest rib; counted up from the sacrum.
    appearance
        By the appearance of all bodies of the row, without landmarks.
    """

    ribs: str | None
    sacrum: str | None
    appearance: str | None


def count_level(bodies: list[BodyEvidence], posterior: LevelPosterior, chosen: int) -> LevelCounts:
    """Return the level of the body `chosen` by each way."""
    by_ribs, by_sacrum = count_from_landmarks(bodies, posterior, chosen)
    return LevelCounts(by_ribs, by_sacrum, _level_by_appearance(bodies, chosen))


def count_from_landmarks(
    bodies: list[BodyEvidence], posterior: LevelPosterior, chosen: int
) -> tuple[str | None, str | None]:
    """Return the level of a body counted down from the lowest rib, and counted up from the sacrum."""
    level_of = dict(posterior.path)

    def levels_below(landmark: int) -> int:
        """Return how many levels the chosen body is below the landmark; a body outside the row counts as it lies."""
        in_row = {chosen, landmark} <= level_of.keys()
        return level_of[chosen] - level_of[landmark] if in_row else chosen - landmark

    lowest, last = lowest_rib(bodies), on_sacrum(bodies)
    if lowest is not None and _missed_below(lowest, posterior):
        lowest = None  # the missed body may have ribs too
    if last is not None and bodies[last].sacrum is None:
        away = float(np.linalg.norm(bodies[last].centre - bodies[last + 1].centre))
        last = last if away < NEXT_MM else None  # else a body between it and the sacrum may have been missed
    by_ribs = None if lowest is None else T12 + levels_below(lowest)
    by_sacrum = None if last is None else L5 + levels_below(last)
    return level_name(by_ribs), level_name(by_sacrum)


def counts_agree(vertebra: str, counts: LevelCounts, chest: bool) -> bool:
    """Whether two ways say `vertebra` and none contradicts. Where both landmark counts do, appearance does not matter.

    Sacrum and appearance share two errors: they do not see a sixth lumbar vertebra, and both may take S1 for L5. They
    count together only with a `chest` (`shows_chest`).
    """
    landmarks = (counts.ribs, counts.sacrum)
    if landmarks == (vertebra, vertebra):
        return True
    if landmarks == (None, vertebra):
        return counts.appearance == vertebra and chest
    return landmarks == (vertebra, None) and counts.appearance == vertebra


def shows_chest(bodies: list[BodyEvidence], posterior: LevelPosterior) -> bool:
    """Whether every vertebra named above T12 has ribs, and T12 has ribs or is unsure."""
    return all(
        bodies[i].ribs or (level == T12 and bodies[i].ribs is None) for i, level in posterior.path if level <= T12
    )


def lowest_rib(bodies: list[BodyEvidence]) -> int | None:
    """Return the body with the lowest rib; None where the ribs contradict each other or their end is not in view."""
    ribs = [body.ribs for body in bodies]
    if True not in ribs:
        return None
    last = len(ribs) - 1 - ribs[::-1].index(True)
    ends = ribs[last + 1 : last + 2] == [False]
    return last if ends and False not in ribs[:last] and None not in ribs[max(last - 1, 0) : last] else None


def on_sacrum(bodies: list[BodyEvidence]) -> int | None:
    """Return the body that lies on the sacrum; None where none does, or where the evidence contradicts itself.

    An unsure body lies on the sacrum too, if the next body is part of it and the one above lies above the last.
    """
    positions = [body.sacrum for body in bodies]
    first = positions.index("of") if "of" in positions else 0
    if "on" not in positions and first and positions[first - 1] is None:
        positions[first - 1] = "on"
    if positions.count("on") != 1:
        return None
    last = positions.index("on")
    ordered = "of" not in positions[:last] and "above" not in positions[last + 1 :]
    return last if ordered and None not in positions[max(last - 1, 0) : last] else None


def _level_by_appearance(bodies: list[BodyEvidence], chosen: int) -> str | None:
    blind = infer_levels([replace(body, ribs=None, sacrum=None) for body in bodies])
    return level_name(dict(blind.path).get(chosen))


def _missed_below(landmark: int, posterior: LevelPosterior) -> bool:
    """Whether the row jumps over a level directly below the landmark."""
    levels = [level for i, level in posterior.path if i >= landmark]
    return landmark in dict(posterior.path) and len(levels) > 1 and levels[1] - levels[0] > 1
