"""A problem as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

TOLD_APART = {"type", "title", "status", "detail", "instance", "alternatives", "row", "pictures", "levels"}
"""Members that are not printed as ``name: value``: the first lines have them, or lines of their own, or nobody."""


def problem_text(problem: Mapping[str, Any]) -> str:
    """Render RFC 9457 problem details: one line a member, one a level, one a candidate, one a body of the row."""
    lines = [
        f"{problem.get('title', 'Error')} ({problem.get('type', 'unknown')})",
        f"  {problem.get('detail', '')}",
        *(f"  {name}: {value}" for name, value in problem.items() if name not in TOLD_APART),
        *_levels(problem.get("levels") or []),
        *_candidates(problem.get("alternatives") or []),
        *_row(problem.get("row") or []),
    ]
    return "\n".join(lines)


def _levels(levels: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one line a level that was refused, then what is known of its candidates."""
    for level in levels:
        problem = level["problem"]
        yield f"  {level['vertebra']}: {problem['title']}. {problem['detail']}"
        yield from (f"  {line}" for line in _candidates(problem.get("alternatives") or []))


def _candidates(alternatives: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one line a body that may be the vertebra, with the argument that chooses it."""
    for number, candidate in enumerate(alternatives, start=1):
        seed = " ".join(f"{value:.1f}" for value in candidate["centre_ras_mm"])
        yield f"  candidate {number}: {candidate['probability']:.0%} probable; to choose it send --seed {seed}"


def _row(bodies: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one line a body of the row, from top to bottom."""
    for body in bodies:
        at = ", ".join(f"{value:.1f}" for value in body["centre_ras_mm"])
        ribs = {True: "ribs", False: "no ribs", None: "ribs unknown"}[body["ribs"]]
        sacrum = {"above": "above the last vertebra", "on": "on the sacrum", "of": "part of the sacrum"}
        seen = sacrum.get(body["sacrum"], "sacrum unknown")
        yield f"  body at ({at}): {body['level'] or 'level unknown'}, {body['confidence']:.0%}; {ribs}, {seen}"
