"""Work on each level of a job. A level that is refused does not fail the others."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TypeVar

from app.contract.errors import EveryLevelRefused, InputError, ProcessingError, VertebraError
from app.contract.params import JobParams, Vertebra
from workers.side_by_side import side_by_side

T = TypeVar("T")


def of_each_level(
    params: JobParams, work: Callable[[JobParams], T], at_once: int = 1
) -> dict[Vertebra, T | VertebraError]:
    """Return what the work on each level gives, or the error that refuses the level.

    The work is called with the parameters of a job of that level alone (`JobParams.by_level`), for so many levels at
    once, which is then in threads of their own (`side_by_side`).

    Raises
    ------
    VertebraError
        Every level is refused: of a job of one level its own error, of one of several `EveryLevelRefused`.
    """
    if not params.has_folders:
        return {params.vertebra_sought: work(params)}

    def outcome(of_level: JobParams) -> T | VertebraError:
        try:
            return work(of_level)
        except (InputError, ProcessingError) as error:
            return copy(error)  # without its traceback, which would keep the arrays of its stages

    levels = params.by_level()
    outcomes = dict(zip(levels, side_by_side(outcome, list(levels.values()), at_once), strict=True))
    refusals = {level: outcome for level, outcome in outcomes.items() if isinstance(outcome, VertebraError)}
    if len(refusals) == len(outcomes):
        raise every_level_refused(refusals)
    return outcomes


def every_level_refused(refusals: dict[Vertebra, VertebraError]) -> EveryLevelRefused:
    """Return the error for a job whose levels are all refused."""
    return EveryLevelRefused(
        "No level that the job asks for has an answer. `levels` says why, one by one.",
        expected=f"an answer for one of {', '.join(refusals)} at least",
        got=", ".join(f"{level}: {error.slug}" for level, error in refusals.items()),
        levels=[{"vertebra": level, "problem": error.problem()} for level, error in refusals.items()],
    )
