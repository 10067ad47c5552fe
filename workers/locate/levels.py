"""The levels of the spine from top to bottom, and how far apart their bodies are."""

from __future__ import annotations

import numpy as np

LEVELS = (
    tuple(f"C{i}" for i in range(3, 8))
    + tuple(f"T{i}" for i in range(1, 13))
    + tuple(f"L{i}" for i in range(1, 6))
    + ("S1",)
)
"""What a body of the row can be."""
T1, T11, T12, L1, L4, L5, S1 = (LEVELS.index(name) for name in ("T1", "T11", "T12", "L1", "L4", "L5", "S1"))
PITCH_MM = np.array(
    [17, 17, 18, 19, 21, 21, 21, 21, 21, 22, 22, 23, 24, 25, 26, 29, 32, 34, 35, 36, 35, 33, 33], np.float64
)
"""From the centre of each level's body to the next one's in adults: from C7 on the mean of two to eight people of the
data folder (label maps, and CTs whose bodies are marked), above it by Busscher et al., Eur Spine J 19(7), 2010. In a
trial two to three mm less from C7 to T6 named two of seven rows one and two levels too low, where no landmark was
counted."""


def level_name(level: int | None) -> str | None:
    """Return the name of a place in `LEVELS`; None where it is None or outside."""
    return LEVELS[level] if level is not None and 0 <= level < len(LEVELS) else None
