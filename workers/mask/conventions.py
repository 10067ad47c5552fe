"""Conventions: which number stands for which level in the label maps of common data sets."""

from __future__ import annotations

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
CONVENTIONS = {"VerSe": VERSE, "TotalSegmentator": TOTALSEGMENTATOR}
VERSE_LABELS = {level: label for label, level in VERSE.items() if 8 <= label <= 24}
"""VerSe's number of each level from T1 to L5, from top to bottom."""


def level_names(label: int) -> dict[str, str]:
    """Return what a label stands for in each convention; nothing for 1, which most binary masks use."""
    return {} if label == 1 else {name: levels[label] for name, levels in CONVENTIONS.items() if label in levels}
