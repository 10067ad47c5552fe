"""The errors that say why a vertebra was not found, with what was seen instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.contract import segmentation
from app.contract.errors import VertebraNotFound, VertebraTruncated
from models.types import Floats
from workers.imaging.volume import Volume
from workers.locate.landmark_counts import LevelCounts
from workers.locate.levels import LEVELS
from workers.locate.named_row import NamedRow, rounded

MOST_OPTIONS = 3
"""Candidates that the text of an error lists; its members list them all."""
EDGE_MM = 30.0
"""A body expected within one vertebra's height of the scan's faces is cut, not absent."""


@dataclass(frozen=True)
class Alternative:
    """Another body that may be the level asked for: its centre (3,) mm RAS, and how probable that is."""

    centre: Floats
    probability: float

    def for_report(self) -> segmentation.Alternative:
        """Return it as reports and errors state it."""
        return segmentation.Alternative(centre_ras_mm=rounded(self.centre), probability=round(self.probability, 4))


def nothing_recognised(vertebra: str) -> VertebraNotFound:
    """Return the error for a scan without any vertebra."""
    return VertebraNotFound(
        "No vertebra was recognised. Send a CT of the lumbar spine, or a mask.",
        expected=vertebra,
        got="a scan without a recognised vertebra",
    )


def undecided(
    vertebra: str, row: NamedRow, candidates: tuple[Alternative, ...], counts: LevelCounts, least: float
) -> VertebraNotFound:
    """Return the error for a row in which the evidence does not decide which body is the vertebra."""
    listed = "; ".join(
        f"{c.probability:.0%} at ({', '.join(f'{v:.0f}' for v in c.centre)})" for c in candidates[:MOST_OPTIONS]
    )
    ways = (("ribs", counts.ribs), ("sacrum", counts.sacrum), ("appearance of the row", counts.appearance))
    return VertebraNotFound(
        f"The evidence does not decide which vertebra is {vertebra}. Ribs and sacrum may be out of view, or the "
        "anatomy transitional. Say with seed_ras_mm which one it is, accept an unverified level with "
        'on_uncertain_level "flag", or send a mask.',
        expected=f"{vertebra} with a confidence of at least {least:.0%}, counted from the ribs or the sacrum, without "
        "contradiction",
        got=f"{listed} mm RAS; " + ", ".join(f"by the {way} {level or 'unknown'}" for way, level in ways),
        alternatives=[candidate.for_report().model_dump(mode="json") for candidate in candidates],
        **_seen(row),
    )


def not_in_scan(vertebra: str, row: NamedRow, ct: Volume) -> VertebraNotFound | VertebraTruncated:
    """Return the error for a vertebra that no body of the row is: cut by the end of the scan, or absent."""
    got = "a scan of " + ", ".join(row.levels)
    if _is_cut(vertebra, row, ct):
        return VertebraTruncated(
            f"The scan ends at {vertebra}. Send a scan that holds the whole vertebra.",
            expected=f"{vertebra} whole",
            got=got,
            **_seen(row),
        )
    return VertebraNotFound(
        f"{vertebra} was not found in the scan. Send one that holds it, or say with seed_ras_mm where it is.",
        expected=vertebra,
        got=got,
        **_seen(row),
    )


def _seen(row: NamedRow) -> dict[str, Any]:
    """Return the members of an error that say which bodies were found."""
    return {"levels_seen": list(row.levels), "row": [body.model_dump(mode="json") for body in row.for_report()]}


def _is_cut(vertebra: str, row: NamedRow, ct: Volume) -> bool:
    """Whether the vertebra would be the next body above or below the row, and the scan ends there."""
    centres, levels = [row.bodies[i].centre for i, _ in row.posterior.path], row.levels
    if len(centres) < 2:
        return False
    rank = LEVELS.index(vertebra)
    ends = ((0, 1, 1), (-1, -2, -1))
    return any(
        LEVELS.index(levels[end]) - rank == off and _at_edge(ct, 2.0 * centres[end] - centres[inner])
        for end, inner, off in ends
    )


def _at_edge(ct: Volume, point: Floats) -> bool:
    """Whether a point (3,) mm lies within `EDGE_MM` of the faces of the scan, inside or outside."""
    return -EDGE_MM < ct.depth_of(point) < EDGE_MM
