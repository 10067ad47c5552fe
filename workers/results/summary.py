"""``summary.json``: what matters most of each level of a job that asks for several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.contract.errors import VertebraError
from app.contract.params import Vertebra
from app.contract.report import Inputs, Report, Software
from app.contract.summary import LevelSummary, Summary, headline_of
from workers.results.build_report import TIMING_DECIMALS
from workers.results.captions import DISCLAIMER, FRAME
from workers.results.publish import ResultFile

SUMMARY = "summary.json"


def build_summary(
    levels: Sequence[LevelSummary],
    load_newton: float | None,
    timings_s: Mapping[str, float],
    provenance: tuple[Inputs, Software],
) -> Summary:
    """Return the summary of a job: its levels from top to bottom, load in N, seconds a stage, files and software.

    The load is None where it is another one for each level.
    """
    inputs, software = provenance
    return Summary(
        levels=list(levels),
        load_newton=load_newton,
        frame=FRAME,
        timings_s={stage: round(seconds, TIMING_DECIMALS) for stage, seconds in timings_s.items()},
        inputs=inputs,
        software=software,
        disclaimer=DISCLAIMER,
    )


def write_summary(out_dir: Path, summary: Summary) -> ResultFile:
    """Write the summary of a job into its folder."""
    path = out_dir / SUMMARY
    path.write_text(summary.model_dump_json(indent=2) + "\n", "utf-8")
    return ResultFile(SUMMARY, path, "application/json")


def summarise_done(report: Report) -> LevelSummary:
    """Return the summary of a level that has a report."""
    headline = headline_of(report)
    return LevelSummary(
        vertebra=report.vertebra, state="done", problem=None, headline=headline, warnings=report.warnings
    )


def summarise_refused(level: Vertebra, error: VertebraError, pictures: Sequence[str]) -> LevelSummary:
    """Return the summary of a level that an error refuses; `pictures` are the results that show why."""
    problem = error.problem() | ({"pictures": list(pictures)} if pictures else {})
    return LevelSummary(vertebra=level, state="refused", problem=problem, headline=None, warnings=[])


def summary_warnings(levels: Sequence[LevelSummary]) -> list[str]:
    """Return the warnings of a job: first the levels that are refused, then each warning with its levels."""
    refused = [f"{level.vertebra} has no stress: {level.problem['title']}." for level in levels if level.problem]
    about: dict[str, list[str]] = {}
    for level in levels:
        for warning in level.warnings:
            about.setdefault(warning, []).append(level.vertebra)
    return [*refused, *(f"{', '.join(names)}: {warning}" for warning, names in about.items())]
