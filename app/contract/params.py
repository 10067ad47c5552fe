"""What a client may ask of a job."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Vertebra = Literal["T11", "T12", "L1", "L2", "L3", "L4", "L5"]
Fidelity = Literal["surrogate", "fe", "both"]
Surrogate = Literal["tangent", "paper"]
OnOutOfDistribution = Literal["flag", "fe"]

Coordinate = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]


class JobParams(BaseModel):
    """Parameters of a job, sent as the JSON form field ``params``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    vertebra: Vertebra = Field(
        default="L1",
        description="Level to analyse. The template is an L1; levels T11 to L5 are fitted with the same template.",
    )
    mask_label: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Label value of the vertebra in `mask` (VerSe: T11..L5 = 18..24, L1 = 20; TotalSegmentator: "
        "L5..L1 = 27..31, T12 = 32, T11 = 33). May be left out when the mask holds a single label.",
    )
    seed_ras_mm: Annotated[list[Coordinate], Field(min_length=3, max_length=3)] | None = Field(
        default=None,
        description="A point in the vertebra, world RAS+ in mm, without a mask: the vertebra around it is segmented "
        "and taken for `vertebra`, instead of looking for it.",
    )
    load_newton: float = Field(
        default=500.0,
        gt=0.0,
        le=10_000.0,
        allow_inf_nan=False,
        description="Total compressive load on the superior endplate, along the cranio-caudal axis, in newton.",
    )
    fidelity: Fidelity = Field(
        default="surrogate",
        description="How the stress is computed: `surrogate` predicts it in well under a second, `fe` solves the "
        "finite-element problem, `both` does both and adds the solution (`von_mises_fe`, `s1_fe` …) and "
        "`von_mises_error` to the VTK files and their agreement to the report.",
    )
    surrogate: Surrogate = Field(
        default="tangent",
        description="Which surrogate predicts: `tangent` (the more accurate by far) or `paper` (PointNet, random "
        "forests and decoders, as published).",
    )
    on_out_of_distribution: OnOutOfDistribution = Field(
        default="flag",
        description="What to do when the shape is unlike those the surrogate is known to predict well: `flag` says so "
        "in the report, `fe` solves instead. With fidelity `both` the solution is there anyway.",
    )
