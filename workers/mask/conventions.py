"""Conventions: which number stands for which level in the label maps of common data sets and tools."""

from __future__ import annotations

from app.contract.numbering import MaskConvention

VERSE = {
    **{i: f"C{i}" for i in range(1, 8)},
    **{7 + i: f"T{i}" for i in range(1, 13)},
    **{19 + i: f"L{i}" for i in range(1, 7)},
    26: "sacrum",
    27: "coccyx",
    28: "T13",
}
"""Sekuboyina et al., Med Image Anal 73, 2021."""
TOTALSEGMENTATOR = {
    25: "sacrum",
    26: "S1",
    **{32 - i: f"L{i}" for i in range(1, 6)},
    **{44 - i: f"T{i}" for i in range(1, 13)},
    **{51 - i: f"C{i}" for i in range(1, 8)},
}
"""Version 2; Wasserthal et al., Radiol Artif Intell 5(5), 2023."""
TOTALSEGMENTATOR_V1 = {
    **{23 - i: f"L{i}" for i in range(1, 6)},
    **{35 - i: f"T{i}" for i in range(1, 13)},
    **{42 - i: f"C{i}" for i in range(1, 8)},
    92: "sacrum",
}
"""Version 1 (class details of release 1.5.7), MONAI's whole-body bundle, and TotalSpineSeg before its release of
2024-09: nine less than version 2."""
TOTALSPINESEG = {
    **{10 + i: f"C{i}" for i in range(1, 8)},
    **{20 + i: f"T{i}" for i in range(1, 13)},
    **{40 + i: f"L{i}" for i in range(1, 7)},
    50: "sacrum",
}
"""Warszawer et al., TotalSpineSeg, 2025 (list of classes in its README)."""
CONVENTIONS: dict[MaskConvention, dict[int, str]] = {
    "verse": VERSE,
    "totalsegmentator_v2": TOTALSEGMENTATOR,
    "totalsegmentator_v1": TOTALSEGMENTATOR_V1,
    "totalspineseg": TOTALSPINESEG,
}
VERSE_LABELS = {level: label for label, level in VERSE.items() if 8 <= label <= 24}
"""VerSe's number of each level from T1 to L5, from top to bottom."""
BINARY = 1
"""What most masks of one vertebra use: it says nothing about the level, though it is C1 in VerSe."""


def level_in(convention: MaskConvention, label: int) -> str | None:
    """Return what a label stands for in a convention; None where it does not know it, and for `BINARY`."""
    return None if label == BINARY else CONVENTIONS[convention].get(label)


def label_of_level(convention: MaskConvention, level: str) -> int | None:
    """Return the label of a level, e.g. ``"L1"``, in a convention; None where it has none."""
    return next((label for label, name in CONVENTIONS[convention].items() if name == level), None)
