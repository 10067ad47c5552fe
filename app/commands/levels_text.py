"""``summary.json`` as text for a terminal: one line a level, then the warnings of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

HEADINGS = ("99th perc.", "body", "off endplates", "overall", "error %")
"""Columns of numbers: von Mises stress in MPa, and the expected error in percent of the peak."""
WIDTH = 14


def levels_text(summary: Mapping[str, Any]) -> str:
    """Render a parsed ``summary.json`` (stress in MPa)."""
    levels = summary["levels"]
    return "\n".join(
        [
            f"{_load(summary)} axial compression, von Mises stress in MPa",
            "",
            f"{'level':6}" + "".join(f"{heading:>{WIDTH}}" for heading in HEADINGS),
            *(_line(level) for level in levels),
            *_warnings(levels),
            *_times(summary),
            "",
            summary["disclaimer"],
        ]
    )


def _load(summary: Mapping[str, Any]) -> str:
    """Return the load of all levels, or of each where it follows from the body weight."""
    if summary["load_newton"] is not None:
        return f"{summary['load_newton']:g} N"
    done = (level for level in summary["levels"] if level["state"] == "done")
    return ", ".join(f"{level['vertebra']} {level['headline']['load_newton']:.0f} N" for level in done)


def _line(level: Mapping[str, Any]) -> str:
    if level["state"] == "refused":
        problem = level["problem"]
        return f"{level['vertebra']:6}    refused: {problem['title']} ({problem['type'].rsplit('/', 1)[-1]})"
    numbers = level["headline"]
    away, error = numbers["peak_away_from_endplates"], numbers["expected_error"]
    cells = (
        _number(numbers["p99_mpa"], 3),
        _number(numbers["body_p99_mpa"], 3),
        _number(away and away["value_mpa"], 3),
        _number(numbers["peak_von_mises"]["value_mpa"], 3),
        _number(error and error["total_percent"], 2),
    )
    unverified = "  NOT VERIFIED" if numbers["level_verified"] is False else ""
    return f"{level['vertebra']:6}" + "".join(f"{cell:>{WIDTH}}" for cell in cells) + unverified


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _warnings(levels: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield each warning once, with the levels that it is about."""
    about: dict[str, list[str]] = {}
    for level in levels:
        for warning in level["warnings"]:
            about.setdefault(warning, []).append(level["vertebra"])
    if about:
        yield ""
    yield from (f"WARNING    {', '.join(names)}: {warning}" for warning, names in about.items())


def _times(summary: Mapping[str, Any]) -> Iterator[str]:
    if timings := summary["timings_s"]:
        yield ""
        stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in timings.items())
        yield f"time (s)   {sum(timings.values()):.1f}: {stages}"
