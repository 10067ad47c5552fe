"""The report's section on the size of the vertebra: whether people have vertebrae of that size at that level."""

from __future__ import annotations

from pydantic import Field

from app.contract.section import Number, Positive, Section


class Size(Section):
    """Size of the outline beside those of adults. The stress under a given load goes with one over size squared."""

    volume_cm3: Positive = Field(description="Volume of the outline, cm³.")
    usual_volume_cm3: tuple[Positive, Positive] = Field(
        description="Smallest and largest volume in adults at this level, cm³; of an unknown level from T11 to L5."
    )
    scale: Positive = Field(description="Size of the pose that fits the template, an L1, to the outline, no unit.")
    usual_scale: tuple[Positive, Positive] = Field(description="Smallest and largest in adults at this level, no unit.")
    stress_factor: Positive = Field(
        description="Stress in a vertebra of this scale over that in one of mean size at this level, no unit."
    )
    edge_offset_mm: Number | None = Field(
        description="Median over the surface of where the CT falls from bone to its surroundings, along the outward "
        "normal from a mask that was sent, mm: negative where the mask is too large. Null without a mask."
    )
    unusual: bool = Field(description="Volume or scale are beyond those of adults.")
    off_edge: bool = Field(description="The mask that was sent does not end where the bone ends in the CT.")
