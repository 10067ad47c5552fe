"""The labels of drawn bones, and the levels of the vertebrae among them."""

from __future__ import annotations

THORACOLUMBAR_LEVELS = tuple(f"T{i}" for i in range(1, 13)) + tuple(f"L{i}" for i in range(1, 6))
"""T1 to L5 from top to bottom. The label of a level is its position here, from 1 (T1) to 17 (L5)."""
CERVICAL_LEVELS = tuple(f"C{i}" for i in range(3, 8))
"""C3 to C7, which share the label `CERVICAL`. C1 and C2 are not drawn, because their shape is another one."""
DRAWN_LEVELS = CERVICAL_LEVELS + THORACOLUMBAR_LEVELS
"""All levels that a synthetic spine may have, from top to bottom."""

SACRUM = len(THORACOLUMBAR_LEVELS) + 1
RIB = SACRUM + 1
PELVIS = RIB + 1
"""Hip bones and femurs, and the skull: to the networks all of them are one kind of bone."""
CERVICAL = 21
"""All vertebrae of the neck. The networks learn that they are vertebrae, but not their levels."""
UNKNOWN = 255
"""Bone of a real CT that has the HU of bone, but that nobody labelled. The networks are not trained on it."""
N_LABELS = 256
"""Values that a label may have: it is a uint8."""


def label_of(level: str) -> int:
    """Return the label of a level, one of `DRAWN_LEVELS`."""
    return CERVICAL if level in CERVICAL_LEVELS else THORACOLUMBAR_LEVELS.index(level) + 1
