"""Moments on the superior endplate beside the compression."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

LARGEST_NEWTON_MM = 50_000.0
"""50 N m: a guard against a mistake in the unit."""


class Moments(BaseModel):
    """Moments about the middle of the superior endplate, N mm (1 N m = 1000 N mm)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    flexion: float = Field(
        default=0.0,
        ge=-LARGEST_NEWTON_MM,
        le=LARGEST_NEWTON_MM,
        allow_inf_nan=False,
        description="Bends forward and presses the anterior side, N mm; negative: extension.",
    )
    lateral: float = Field(
        default=0.0,
        ge=-LARGEST_NEWTON_MM,
        le=LARGEST_NEWTON_MM,
        allow_inf_nan=False,
        description="Bends to the patient's right and presses that side, N mm; negative: to the left.",
    )
