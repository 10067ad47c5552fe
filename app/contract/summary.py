"""The schema of ``summary.json``: the levels of a job that asks for several, each with what matters most."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from app.contract.bone import Bone
from app.contract.params import Vertebra
from app.contract.report import ExpectedError, Inputs, Peak, Report, Software
from app.contract.section import Number, Positive, Section, Share


class HeadlineBone(Section):
    """The most important numbers of the patient's own bone. Research, not diagnosis."""

    calibrated: bool = Field(description="False: nothing calibrated this CT, so the numbers below are guesses.")
    trabecular_density_mg_cm3: Number = Field(description="Mean of the body's interior, mg/cm³ of K2HPO4.")
    water_line_density_mg_cm3: Number | None = Field(
        default=None,
        description="The same by the line of K2HPO4 in water, mg/cm³: what to hold against the reference lines where "
        "tissues of the scan calibrated it; null with another calibration.",
    )
    stiffness_n_per_mm: Positive = Field(description="Load over the shortening of the body, N/mm.")
    linear_strength_newton: Positive = Field(description="0.0068 x stiffness x height, N (Crawford et al. 2003).")


class Headline(Section):
    """The most important numbers of a level's report."""

    fidelity: Literal["surrogate", "fe"] = Field(description="Whether the stress is predicted or solved.")
    load_newton: Positive | None = Field(
        default=None, description="Compressive load on the superior endplate, N; null in summaries of older releases."
    )
    p99_mpa: Positive = Field(description="Volume-weighted 99th percentile of von Mises stress, MPa.")
    body_p99_mpa: Positive | None = Field(description="The same of the vertebral body, MPa.")
    peak_away_from_endplates: Peak | None = Field(
        description="Largest von Mises stress more than 3 mm from the endplates; null where every node is nearer."
    )
    peak_von_mises: Peak = Field(description="Largest von Mises stress; it depends on the mesh at the clamped rim.")
    volume_mm3: Positive = Field(description="Volume of the finite-element mesh, mm³.")
    expected_error: ExpectedError | None = Field(
        description="Expected error of the stress; null where it is not known."
    )
    confidence: Share | None = Field(description="Probability that this is the level; null where a mask was sent.")
    level_verified: bool | None = Field(
        description="Whether ribs or sacrum settle the level; null where a mask was sent."
    )
    bone: HeadlineBone | None = Field(
        default=None, description="The patient's own bone; null where the job took it as homogeneous."
    )


def headline_of(report: Report) -> Headline:
    """Return the most important numbers of a report."""
    stress, seen = report.stress, report.segmentation
    body = stress.regions.get("body")
    return Headline(
        fidelity=report.fidelity,
        load_newton=report.load_newton,
        p99_mpa=stress.overall.p99_mpa,
        body_p99_mpa=body.p99_mpa if body else None,
        peak_away_from_endplates=stress.peak_away_from_endplates,
        peak_von_mises=stress.peak_von_mises,
        volume_mm3=report.geometry.volume_mm3,
        expected_error=report.expected_error,
        confidence=seen.confidence if seen else None,
        level_verified=seen.level_verified if seen else None,
        bone=_headline_of_bone(report.bone) if report.bone else None,
    )


def _headline_of_bone(bone: Bone) -> HeadlineBone:
    internal = bone.calibration.internal
    return HeadlineBone(
        calibrated=bone.calibration.calibrated,
        trabecular_density_mg_cm3=bone.trabecular_density_mg_cm3,
        water_line_density_mg_cm3=internal.water_line_density_mg_cm3 if internal else None,
        stiffness_n_per_mm=bone.strength.stiffness_n_per_mm,
        linear_strength_newton=bone.strength.linear_strength_newton,
    )


class LevelSummary(Section):
    """One level that the job asks for."""

    vertebra: Vertebra = Field(description="The level.")
    state: Literal["done", "refused"] = Field(
        description="`done`: its results lie in the folder of its name. `refused`: `problem` says why."
    )
    problem: dict[str, Any] | None = Field(
        description="Why the level has no stress, as RFC 9457 problem details; null where it is done. `pictures` names "
        "the results that show it, where there are some."
    )
    headline: Headline | None = Field(description="Its most important numbers; null where it is refused.")
    warnings: list[str] = Field(description="What a reader should know before using the numbers.")


class Summary(Section):
    """``summary.json``: the levels of one finished job. Each that is done has a ``report.json`` in its folder."""

    schema_version: Literal[1] = Field(default=1, description="Version of this schema.")
    levels: list[LevelSummary] = Field(description="Every level that the job asked for, from top to bottom.")
    load_newton: Positive | None = Field(
        description="Compressive load on the superior endplate of each, N; null where it follows from the body weight: "
        "the headlines have it then."
    )
    frame: str = Field(description="World frame and unit of all positions.")
    timings_s: dict[str, Positive] = Field(
        description="Wall-clock time of each stage, s: reading and locating once, the others for all levels together. "
        "While two levels are computed at once, each stage counts half."
    )
    inputs: Inputs
    software: Software
    disclaimer: str = Field(description="Limits of use.")
