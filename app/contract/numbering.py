"""Which number stands for which level in a label map: the conventions, and the report's section on them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.contract.section import Section

MaskConvention = Literal["verse", "totalsegmentator_v2", "totalsegmentator_v1", "totalspineseg"]

CONVENTION_NAMES: dict[MaskConvention, str] = {
    "verse": "VerSe",
    "totalsegmentator_v2": "TotalSegmentator v2",
    "totalsegmentator_v1": "TotalSegmentator v1",
    "totalspineseg": "TotalSpineSeg",
}
"""How texts for people call each convention. MONAI's whole-body bundle has the numbers of TotalSegmentator v1."""


class Numbering(Section):
    """What the vertebra's number in the mask stands for."""

    label: int = Field(ge=1, description="Label of the vertebra in the mask.")
    convention: MaskConvention | None = Field(
        description="Convention by which the labels of the mask were read; null where nothing tells which it is."
    )
    chosen_by: Literal["labels", "level", "client", "segment"] | None = Field(
        description="What told the convention: how the labels lie in the file (`labels`), together with the level that "
        "the client states (`level`), or `mask_convention` of the request (`client`). `segment`: the segment of a "
        "DICOM segmentation names its level itself, and there is no convention. Null where nothing told."
    )
    level: str | None = Field(
        description="What the label is in that convention, e.g. `L1`; null where there is no convention, or where it "
        "does not know the label."
    )
    possible: dict[MaskConvention, str] = Field(
        description="What the label is in each convention that the file does not contradict, by the convention."
    )
    contradicted: bool = Field(
        description="Whether the way the labels lie in the file contradicts the convention that the client stated."
    )
    reason: str = Field(description="Why this convention, or why none, in words.")
