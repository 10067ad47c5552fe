"""Counting vertebrae from the lowest rib and from the sacrum, and whether these and the looks of the row agree."""

from __future__ import annotations

from dataclasses import replace

from workers.locate.level_model import L5, LEVELS, S1, T12, Body, LevelPosterior
from workers.locate.level_model import number as number_bodies


def count(bodies: list[Body], numbering: LevelPosterior, chosen: int) -> tuple[str | None, str | None]:
    """Return the level of a body by counting down from the lowest rib, and up from the sacrum."""
    place = {i: level for i, level in numbering.path}

    def off(landmark: int) -> int:
        """How many levels the chosen body is below the landmark; one that is not in the row is counted as it lies."""
        return place[chosen] - place[landmark] if {chosen, landmark} <= place.keys() else chosen - landmark

    lowest, last = lowest_rib(bodies), on_sacrum(bodies)
    if lowest is not None and _missed_below(lowest, numbering):
        lowest = None  # that one may have ribs too
    if last is not None and bodies[last].sacrum is None and (place.get(last), place.get(last + 1)) != (L5, S1):
        last = None  # another may have been missed between it and the sacrum
    by_ribs = None if lowest is None else T12 + off(lowest)
    by_sacrum = None if last is None else L5 + off(last)
    return _named(by_ribs), _named(by_sacrum)


def by_looks(bodies: list[Body], chosen: int) -> str | None:
    """Return the level of a body by what all of the row look like, whatever ribs and sacrum say."""
    blind = number_bodies([replace(body, ribs=None, sacrum=None) for body in bodies])
    return _named(dict(blind.path).get(chosen))


def agree(vertebra: str, counts: tuple[str | None, str | None], looks: str | None, chest: bool) -> bool:
    """Whether two say that it is `vertebra` and none contradicts; where both counts do, looks do not matter.

    Sacrum and looks do not know of a sixth lumbar vertebra, or may both take S1 for L5: they count together only if
    there is a `chest` (`has_chest`).
    """
    if counts == (vertebra, vertebra):
        return True
    if counts == (None, vertebra):
        return looks == vertebra and chest
    return counts == (vertebra, None) and looks == vertebra


def has_chest(bodies: list[Body], numbering: LevelPosterior) -> bool:
    """Whether every vertebra numbered above T12 has ribs, and T12 is not told to have none."""
    return all(
        bodies[i].ribs or (level == T12 and bodies[i].ribs is None) for i, level in numbering.path if level <= T12
    )


def _missed_below(landmark: int, numbering: LevelPosterior) -> bool:
    """Whether the body that was found next below is numbered as if one between had been missed."""
    levels = [level for i, level in numbering.path if i >= landmark]
    return landmark in dict(numbering.path) and len(levels) > 1 and levels[1] - levels[0] > 1


def lowest_rib(bodies: list[Body]) -> int | None:
    """Return the body with the lowest rib; None where what is seen of ribs does not fit together or does not end."""
    ribs = [body.ribs for body in bodies]
    if True not in ribs:
        return None
    last = len(ribs) - 1 - ribs[::-1].index(True)
    ends = ribs[last + 1 : last + 2] == [False]
    return last if ends and False not in ribs[:last] and None not in ribs[max(last - 1, 0) : last] else None


def on_sacrum(bodies: list[Body]) -> int | None:
    """Return the body that lies on the sacrum; None where none is seen to, or what is seen does not fit together.

    One that cannot be told lies on it too, if the next body is of the sacrum and the one above lies above the last.
    """
    where = [body.sacrum for body in bodies]
    first = where.index("of") if "of" in where else 0
    if "on" not in where and first and where[first - 1] is None:
        where[first - 1] = "on"
    if where.count("on") != 1:
        return None
    last = where.index("on")
    fits = "of" not in where[:last] and "above" not in where[last + 1 :] and None not in where[max(last - 1, 0) : last]
    return last if fits else None


def _named(level: int | None) -> str | None:
    return LEVELS[level] if level is not None and 0 <= level < len(LEVELS) else None
