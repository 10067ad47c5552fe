"""The report's section on a vertebra that the networks found: the row of bodies, the level, the outline."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.contract.section import Position, Positive, Section, Share


class RowBody(Section):
    """One body of the row that the networks found, and what they saw of it."""

    level: str | None = Field(description="Its level; null where the evidence does not name it.")
    centre_ras_mm: Position = Field(description="Body centre, RAS+ mm: send it as `seed_ras_mm` to choose this body.")
    confidence: Share = Field(description="Probability of that level, 0 to 1; 0 where there is none.")
    ribs: bool | None = Field(description="Whether a rib starts at it; null where the networks are unsure.")
    sacrum: Literal["above", "on", "of"] | None = Field(
        description="Whether it lies above the last vertebra, on the sacrum, or is part of it; null where the "
        "networks are unsure."
    )


class Outline(Section):
    """How good the outline of the vertebra is, judged without a reference."""

    view_dice: Share = Field(
        description="Agreement of the segmenter's two views of the body, Dice, 0 to 1: one in the vertebra's own "
        "frame, the other turned by 12 degrees.",
    )
    superior_endplate_edge: Share = Field(
        description="Share of the superior endplate where the CT has an edge from bone to disc, 0 to 1.",
    )
    inferior_endplate_edge: Share = Field(
        description="Share of the inferior endplate where the CT has an edge from bone to disc, 0 to 1.",
    )
    height_ratio: Positive | None = Field(
        default=None,
        description="Height of the body over the mean distance to the bodies above and below, no unit: from 1 on a "
        "disc was swallowed. Null without neighbours.",
    )
    dense_share: Share = Field(description="Share of the body with the HU of metal or cement, 0 to 1.")
    worst_place: str = Field(description="Anatomical region where the outline is least sure.")
    expected_nmae_percent: Positive = Field(
        description="Expected mean absolute error of the von Mises stress that the outline causes, percent of the peak."
    )
    load_axis_uncertainty_deg: Positive = Field(
        description="Of 10 such outlines, 9 turn the axis of the load by at most this angle, degrees, from that of a "
        "reference mask. The expected error of the stress includes it."
    )
    uncertain: bool = Field(
        description="That error is above the limit, the views disagree, or a disc, cement or metal is in it: check "
        "the mask, or send one."
    )


class Alternative(Section):
    """Another vertebra that may be the level asked for."""

    centre_ras_mm: Position = Field(
        description="Its body centre, RAS+ mm: send it as `seed_ras_mm` to choose this vertebra."
    )
    probability: Positive = Field(le=1.0, description="Probability that it is the level asked for.")


class Segmentation(Section):
    """How the networks found and segmented the vertebra, where no mask was sent."""

    centre_ras_mm: Position = Field(description="Body centre, RAS+ mm.")
    confidence: Positive | None = Field(
        le=1.0, description="Probability that this is the level asked for; null where the client sent a seed."
    )
    alternatives: list[Alternative] = Field(description="Other vertebrae that may be that level, most probable first.")
    levels_seen: list[str] = Field(
        description="Levels of the named bodies of the row, from top to bottom; empty where nothing names them."
    )
    level_by_ribs: str | None = Field(
        description="Level of this vertebra, counted down from the lowest rib; null where the scan does not show "
        "where the ribs end."
    )
    level_by_sacrum: str | None = Field(
        description="Level of this vertebra, counted up from the sacrum; null where the scan does not show it."
    )
    unsure_share: Positive = Field(
        description="Volume of the voxels with a probability of 10 to 90 %, over the volume of the mask: how blurred "
        "its surface is."
    )
    row: list[RowBody] = Field(
        default=[], description="Every body of the row, from top to bottom, with level, evidence and confidence."
    )
    level_verified: bool | None = Field(
        default=None,
        description="Whether ribs or sacrum settle the level. False: they do not settle it, though no count from "
        "them contradicts. Null where the client sent a seed.",
    )
    outline: Outline | None = Field(default=None, description="Quality of the outline; null where it was not judged.")
