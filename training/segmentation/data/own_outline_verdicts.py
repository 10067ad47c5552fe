"""Which of our own outlines were kept for training after looking at their slices, and why (``own_outlines.json``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

VERDICTS = Path(__file__).with_name("own_outlines.json")
"""The file of this repository."""


class Verdict(BaseModel):
    """What was seen of one outline.

    Attributes
    ----------
    level
        Of the vertebra.
    kept
        Whether the segmenter learns from it.
    cut_mm
        How far from its middle plane a kept vertebra ends, mm: what lies beyond is rib. None where no rib is in it.
    why
        In words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: str
    kept: bool
    cut_mm: float | None = None
    why: str


class CtVerdicts(BaseModel):
    """The verdicts on one CT.

    Attributes
    ----------
    ct
        Name of its folder, as `Annotation.name`.
    outlines
        All that were drawn, from top to bottom.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ct: str
    outlines: Annotated[tuple[Verdict, ...], Field(min_length=1)]

    @property
    def cuts(self) -> dict[str, float | None]:
        """The cuts of the kept ones by level, mm."""
        return {verdict.level: verdict.cut_mm for verdict in self.outlines if verdict.kept}


def read_verdicts(path: Path = VERDICTS) -> dict[str, CtVerdicts]:
    """Return the verdicts by CT.

    Raises
    ------
    pydantic.ValidationError
        An entry has an unknown field or lacks one.
    """
    entries = (CtVerdicts.model_validate(entry) for entry in json.loads(path.read_text(encoding="utf-8")))
    return {entry.ct: entry for entry in entries}
