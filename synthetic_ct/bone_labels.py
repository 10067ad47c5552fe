"""The labels that bones are drawn with, and the levels of the vertebrae among them."""

from __future__ import annotations

THORACOLUMBAR_LEVELS = tuple(f"T{i}" for i in range(1, 13)) + tuple(f"L{i}" for i in range(1, 6))
"""T1 to L5 from top to bottom. The label of a level is its position here, from 1 (T1) to 17 (L5)."""
CERVICAL_LEVELS = tuple(f"C{i}" for i in range(3, 8))
"""C3 to C7. All of them share the label `CERVICAL`; C1 and C2, which have no body of this shape, are not drawn."""
DRAWN_LEVELS = CERVICAL_LEVELS + THORACOLUMBAR_LEVELS
"""Every level that a synthetic spine may have, from top to bottom."""

SACRUM = len(THORACOLUMBAR_LEVELS) + 1
RIB = SACRUM + 1
PELVIS = RIB + 1
"""Hip bones, thigh bones and the skull: bones that the networks only need to know as "another bone"."""
CERVICAL = 21
"""Every vertebra of the neck: the networks learn that it is there, but not which one it is."""
UNKNOWN = 255
"""Bone of a real CT by its HU that nobody labelled. The networks are not trained on it."""


def label_of(level: str) -> int:
    """Return the label that a level is drawn with."""
    return CERVICAL if level in CERVICAL_LEVELS else THORACOLUMBAR_LEVELS.index(level) + 1
