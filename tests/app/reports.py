"""A `report.json` as the contract describes it, of a finished job whose vertebra the networks found."""

from __future__ import annotations

from typing import Any

from app.contract.bone import (
    Bone,
    InternalFit,
    RegionBone,
    StiffnessAndStrength,
    TissueReference,
    UsedCalibration,
)
from app.contract.report import (
    Distribution,
    Equilibrium,
    ExpectedError,
    Geometry,
    Inputs,
    MeshQuality,
    Outline,
    Peak,
    Prediction,
    Report,
    RowBody,
    Segmentation,
    Software,
    StressSummary,
    SurfaceFit,
)

OUTLINE = Outline(
    view_dice=0.962,
    superior_endplate_edge=0.91,
    inferior_endplate_edge=0.87,
    height_ratio=0.98,
    dense_share=0.0,
    worst_place="superior_endplate",
    expected_nmae_percent=1.5,
    load_axis_uncertainty_deg=1.6,
    uncertain=False,
)
ROW = [
    RowBody(level="T12", centre_ras_mm=(1.0, -20.0, 332.0), confidence=0.99, ribs=True, sacrum="above"),
    RowBody(level="L1", centre_ras_mm=(1.0, -20.0, 300.5), confidence=0.97, ribs=False, sacrum="above"),
    RowBody(level=None, centre_ras_mm=(1.2, -19.0, 268.0), confidence=0.0, ribs=None, sacrum=None),
]
SEGMENTATION = Segmentation(
    centre_ras_mm=(1.0, -20.0, 300.5),
    confidence=0.97,
    alternatives=[],
    levels_seen=["T12", "L1", "L2"],
    level_by_ribs="L1",
    level_by_sacrum=None,
    unsure_share=0.14,
    row=ROW,
    level_verified=True,
    outline=OUTLINE,
)


def peak(value_mpa: float, region: str, z: float) -> Peak:
    return Peak(value_mpa=value_mpa, position_ras_mm=(12.0, -10.0, z), region=region, node_id=7)


def distribution(p99_mpa: float) -> Distribution:
    return Distribution(
        volume_mm3=40_000.0, mean_mpa=0.2, p5_mpa=0.01, p50_mpa=0.2, p95_mpa=0.45, p99_mpa=p99_mpa, max_mpa=1.25
    )


REFINED = Prediction(
    surrogate="refined",
    shape_distance_mm=1.9,
    shape_deviation=0.4,
    equilibrium_residual=None,
    expected_nmae_percent=0.081,
    out_of_distribution=False,
    error_bound_percent=0.081,
    cycles=4,
    unrefined_change_percent=0.52,
)


BONE = Bone(
    law="kopperdahl_2002",
    law_citation="Kopperdahl 2002: E = 2980 rho^1.05",
    calibration=UsedCalibration(kind="phantom", slope=0.75, intercept=-4.0, measure="k2hpo4", calibrated=True),
    trabecular_density_mg_cm3=91.4,
    osteoporotic_mg_cm3=80.0,
    low_mg_cm3=120.0,
    beyond_law_share=0.12,
    regions={"body": RegionBone(density_mg_cm3=120.4, young_modulus_mpa=297.0)},
    strength=StiffnessAndStrength(
        stiffness_n_per_mm=15_153.0,
        body_height_mm=27.2,
        linear_strength_newton=2803.0,
        pistoia_strength_newton=2100.0,
        load_over_strength=0.178,
        beyond_yield_share=0.0,
        fragile_women_newton=4500.0,
        fragile_men_newton=6500.0,
    ),
)
GUESSED_BONE = BONE.model_copy(
    update={
        "calibration": UsedCalibration(kind="none", slope=0.743, intercept=0.0, measure="k2hpo4", calibrated=False),
        "trabecular_density_mg_cm3": 62.6,
    }
)


INTERNAL_BONE = BONE.model_copy(
    update={
        "calibration": UsedCalibration(
            kind="internal",
            slope=0.8,
            intercept=1.0,
            measure="k2hpo4",
            calibrated=True,
            internal=InternalFit(
                method="michalski_2020",
                references={"adipose": TissueReference(hounsfield=-101.0, spread=9.0, volume_cm3=30.0, used=True)},
                effective_energy_kev=69.0,
                fit_energy_kev=105.0,
                r2=0.9991,
                water_line_density_mg_cm3=78.2,
            ),
        )
    }
)


def report(**changes: Any) -> Report:
    """Return a report of a surrogate's prediction, with some of its members changed."""
    stress = StressSummary(
        peak_von_mises=peak(1.25, "inferior_endplate", 287.0),
        peak_away_from_endplates=peak(0.733, "body", 300.0),
        largest_principal=peak(0.3, "body", 299.0),
        smallest_principal=peak(-1.3, "inferior_endplate", 287.0),
        overall=distribution(0.521),
        regions={"body": distribution(0.544), "posterior_elements": distribution(0.11)},
    )
    prediction = Prediction(
        surrogate="tangent",
        shape_distance_mm=1.9,
        shape_deviation=0.4,
        equilibrium_residual=0.01,
        expected_nmae_percent=0.6,
        out_of_distribution=False,
    )
    members: dict[str, Any] = {
        "vertebra": "L1",
        "load_newton": 500.0,
        "fidelity": "surrogate",
        "prediction": prediction,
        "expected_error": ExpectedError(outline_percent=1.5, surrogate_percent=0.6, total_percent=1.6),
        "frame": "NIfTI RAS+ mm",
        "stress": stress,
        "geometry": Geometry(volume_mm3=40_000.0, surface_area_mm2=9_000.0, load_axis_ras=(0.0, 0.0, 1.0)),
        "segmentation": SEGMENTATION,
        "fit": SurfaceFit(mean_mm=0.1, p95_mm=0.3, max_mm=1.5),
        "mesh": MeshQuality(
            nodes=10, surface_nodes=8, tets=9, mean_ratio_min=0.3, mean_ratio_p1=0.5, mean_ratio_median=0.9,
            min_dihedral_deg=20.0, non_positive_tets=0,
        ),
        "equilibrium": Equilibrium(reaction_ras_newton=(0.0, 0.0, 500.0), relative_residual=1e-9),
        "timings_s": {"read": 0.1, "morph": 1.5},
        "inputs": Inputs(ct_sha256="0" * 64, mask_sha256=None),
        "software": Software(
            name="vertebra-stress", version="1", python="3.11", platform="Linux", bundle_version="0.7.0"
        ),
        "warnings": ["The CT's voxels measure up to 3.0 mm: detail finer than that is interpolated."],
        "disclaimer": "Research software. Not a medical device.",
    }  # fmt: skip
    return Report(**members | changes)
