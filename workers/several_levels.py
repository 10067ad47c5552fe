"""Several levels of one scan in one job: two at once, where cores and memory are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numba

from app.contract.errors import VertebraError
from app.contract.params import JobParams, Vertebra
from app.contract.report import Report
from app.contract.result_files import MEDIA_TYPES
from app.contract.summary import LevelSummary
from workers.each_level import of_each_level
from workers.engine import engine
from workers.level_folder import in_order, level_folder
from workers.memory_limit import as_out_of_memory, memory_left
from workers.results.provenance import describe_software
from workers.results.publish import SPINE_PICTURE, ResultFile
from workers.results.summary import (
    build_summary,
    summarise_done,
    summarise_refused,
    summary_warnings,
    write_summary,
)
from workers.scan import Scan
from workers.stage_clock import SharedClock, StageClock

AT_ONCE = 2
"""Levels that are computed at once, at most: while one is segmented, the other is fitted, predicted and written."""
LEVEL_BYTES = 1 << 30
"""More than a level takes beside what process and job have: 0.33 GB were measured, and a CT of fine voxels adds 0.26 GB
(`workers.imaging.resampling.MOST_VOXELS`)."""


@dataclass(frozen=True)
class LevelResult:
    """What the computation of one level leaves: its report, and its result files in their order."""

    report: Report
    files: list[ResultFile]


def compute_levels(
    compute: Callable[[JobParams, Path, StageClock], LevelResult],
    scan: Scan,
    params: JobParams,
    out_dir: Path,
    clock: SharedClock,
) -> tuple[list[ResultFile], list[str]]:
    """Compute each level into a folder of its own, and write the summary; return the files and warnings of all.

    Parameters
    ----------
    compute
        Computes one level, of which it gets the parameters, into a folder.
    scan, params
        What the levels share, and what the client asked for.
    out_dir
        Existing folder. The folder of a level that is refused may hold pictures already.
    clock
        Of the job.

    Raises
    ------
    EveryLevelRefused
        No level has an answer.
    """

    def work(of_level: JobParams) -> LevelResult:
        level = of_level.vertebra_sought
        with clock.of_level(level) as own:
            return compute(of_level, level_folder(out_dir, level, params), own)

    outcomes = outcomes_of(params, work)
    files = {level: _files_of(out_dir, level, outcome) for level, outcome in outcomes.items()}
    software = describe_software(engine().bundle.version, engine().bundle.providers)
    levels = [_summarise(level, outcome, files[level]) for level, outcome in outcomes.items()]
    summary = build_summary(
        levels, None if params.body_weight_kg else params.load_newton, clock.timings, (scan.inputs, software)
    )
    spine = ResultFile(SPINE_PICTURE, out_dir / SPINE_PICTURE, MEDIA_TYPES[SPINE_PICTURE])
    shared = [write_summary(out_dir, summary), *([spine] if spine.path.exists() else [])]
    return [*shared, *(file for of_level in files.values() for file in of_level)], summary_warnings(levels)


def outcomes_of(
    params: JobParams, work: Callable[[JobParams], LevelResult]
) -> dict[Vertebra, LevelResult | VertebraError]:
    """Return what the work on each level gives; where two at once lack memory, all are computed again one by one."""
    at_once = levels_at_once()
    try:
        return of_each_level(params, work, at_once)
    except Exception as error:
        if at_once == 1 or as_out_of_memory(error) is None:
            raise
    return of_each_level(params, work)


def levels_at_once() -> int:
    """Return how many levels are computed at once: one, where there is one core or little memory."""
    return AT_ONCE if numba.get_num_threads() > 1 and memory_left() >= AT_ONCE * LEVEL_BYTES else 1


def _files_of(out_dir: Path, level: Vertebra, outcome: LevelResult | VertebraError) -> list[ResultFile]:
    """Return the files of a level, named by its folder: its results, or the pictures of why it is refused."""
    if isinstance(outcome, LevelResult):
        return [replace(file, name=f"{level}/{file.name}") for file in outcome.files]
    pictures = in_order((out_dir / level).glob("*.png"))
    return [ResultFile(f"{level}/{path.name}", path, "image/png") for path in pictures]


def _summarise(level: Vertebra, outcome: LevelResult | VertebraError, files: list[ResultFile]) -> LevelSummary:
    if isinstance(outcome, LevelResult):
        return summarise_done(outcome.report)
    return summarise_refused(level, outcome, [file.name for file in files])
