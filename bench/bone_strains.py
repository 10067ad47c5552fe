"""At which strain the crushed strength is read, and what another strain would give: part of `bench.bone`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.bone_subjects import Subject
from workers.bone.nonlinear_strength import yielding_bone
from workers.engine import engine

ELASTIC = 0.0005
"""So little that the curve is straight: its stiffness is that of the offset line."""
STRAINS = (ELASTIC, 0.003, 0.006, 0.010, 0.015, 0.019, 0.020, 0.025, 0.070)
OFFSET = 0.002
"""Of the height: yield is where the curve meets the straight line moved by so much, as for specimens of bone."""
SHOWN = (0.015, 0.019, 0.020, 0.025, 0.070)


def measure_strains(subjects: Sequence[Subject]) -> dict[str, list[float]]:
    """Return, by subject, the force in N at each of `STRAINS` of the height, between plates."""
    found = {}
    for subject in subjects:
        travels = [strain * subject.height_mm for strain in STRAINS]
        curve = engine().crush(subject.points, yielding_bone(subject.bone), travels)
        found[subject.name] = [point.force_newton for point in curve]
    return found


def offset_yield(forces: Sequence[float]) -> float:
    """Return the force, N, at which a curve over `STRAINS` meets the line of its first slope moved by `OFFSET`."""
    slope = forces[0] / STRAINS[0]
    above = np.array(forces) - slope * (np.array(STRAINS) - OFFSET)
    after = int(np.flatnonzero(above <= 0.0)[0])
    share = above[after - 1] / (above[after - 1] - above[after])
    return float(forces[after - 1] + share * (forces[after] - forces[after - 1]))


def strains_text(found: Mapping[str, Sequence[float]]) -> str:
    """Return the section of the page."""
    return TEXT.format(
        columns=" | ".join(f"{100 * strain:g} %" for strain in SHOWN),
        lines=" | ".join("---" for _ in SHOWN),
        rows="\n".join(_row(name, forces) for name, forces in found.items()),
        spread=_spread(found),
    )


def _row(name: str, forces: Sequence[float]) -> str:
    at = dict(zip(STRAINS, forces, strict=True))
    cells = [f"{at[strain]:,.0f} ({100 * (at[strain] / at[0.019] - 1):+.1f} %)" for strain in SHOWN]
    offset = offset_yield(forces)
    return f"| {name} | {offset:,.0f} ({100 * (offset / at[0.019] - 1):+.1f} %) | " + " | ".join(cells) + " |"


def _spread(found: Mapping[str, Sequence[float]]) -> float:
    """Return by how many per cent of that at 1.9 % the force moves at most between 1.5 and 2.5 %."""
    indices = [STRAINS.index(strain) for strain in (0.015, 0.025, 0.019)]
    ends = [[forces[i] for i in indices] for forces in found.values()]
    return max(100.0 * abs(force / middle - 1.0) for *outer, middle in ends for force in outer)


TEXT = """## The strain at which the strength is read

Force between plates, N, where the curve leaves the straight line by 0.2 % of the height, and at strains of the height
(its difference from that at 1.9 %). TotalSegmentator and TPTBox with the default calibration, UNCALIBRATED.

| vertebra | 0.2 % offset | {columns} |
| --- | --- | {lines} |
{rows}

There is no peak: bone that gives way bears its yield stress on. Between 1.5 and 2.5 % the force moves by {spread:.1f} %
at most, of which the iteration may leave 0.5 %, so the strain matters little. The published run reads it at 2.0 mm,
whatever the height. An offset is how specimens of bone are read (Kopperdahl & Keaveny, J Biomech 31(7), 1998); it is
lower, since much of a vertebra has not yet given way there.

"""
