"""The schema of ``report.json``: every field with its unit. Coordinates are NIfTI RAS+ in mm; numbers are finite."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.contract.bone import Bone
from app.contract.dicom_series import DicomInput
from app.contract.load import BodyWeight
from app.contract.moments import Moments
from app.contract.numbering import Numbering
from app.contract.params import LoadCase, ReportedLevel, Surrogate
from app.contract.section import Number, Position, Positive, Section
from app.contract.segmentation import Alternative, Outline, RowBody, Segmentation
from app.contract.size import Size

__all__ = ["Alternative", "BodyWeight", "Bone", "Numbering", "Outline", "RowBody", "Segmentation", "Size"]


class Peak(Section):
    """One extreme nodal value and where it is."""

    value_mpa: Number = Field(description="Stress at the node, MPa.")
    position_ras_mm: Position = Field(description="Position of the node, NIfTI RAS+ world, mm.")
    region: str = Field(description="Anatomical region of the node.")
    node_id: int = Field(ge=0, description="Node id: the same anatomical place in every report of one bundle.")


class Distribution(Section):
    """Von Mises stress over a volume. A node weighs as much as a quarter of the tetrahedra around it."""

    volume_mm3: Positive = Field(description="Volume of the region, lumped to its nodes, mm³.")
    mean_mpa: Positive = Field(description="Volume-weighted mean, MPa.")
    p5_mpa: Positive = Field(description="Volume-weighted 5th percentile, MPa.")
    p50_mpa: Positive = Field(description="Volume-weighted median, MPa.")
    p95_mpa: Positive = Field(description="Volume-weighted 95th percentile, MPa.")
    p99_mpa: Positive = Field(description="Volume-weighted 99th percentile, MPa.")
    max_mpa: Positive = Field(description="Largest nodal value, MPa.")


class StressSummary(Section):
    """The stress field in numbers."""

    peak_von_mises: Peak = Field(description="Largest nodal von Mises stress of the whole vertebra.")
    peak_away_from_endplates: Peak | None = Field(
        description="Largest nodal von Mises stress more than 3 mm from the loaded and the clamped endplate. Nearer "
        "nodes show the idealised support: at the rim of a clamp the exact stress is infinite, so the overall peak "
        "depends on the mesh. Null where every node is nearer."
    )
    largest_principal: Peak = Field(description="Largest s1 (most tensile); tension is positive.")
    smallest_principal: Peak = Field(description="Smallest s3 (most compressive); compression is negative.")
    overall: Distribution = Field(description="Von Mises stress of the whole vertebra.")
    regions: dict[str, Distribution] = Field(description="Von Mises stress by anatomical region.")


class Geometry(Section):
    """Size of the subject mesh."""

    volume_mm3: Positive = Field(description="Volume of the finite-element mesh, mm³.")
    surface_area_mm2: Positive = Field(description="Area of the outer surface, mm².")
    load_axis_ras: Position = Field(
        description="The vertebra's own cranio-caudal axis, a unit vector that points cranially, RAS+: the bisector of "
        "the mean normals of the endplates. The load acts against it."
    )


class SurfaceFit(Section):
    """Distance between the mesh's surface and the mask's, sampled on both."""

    mean_mm: Positive = Field(description="Mean surface distance, mm.")
    p95_mm: Positive = Field(description="95th percentile of the surface distance, mm.")
    max_mm: Positive = Field(description="Largest surface distance, mm.")


class MeshQuality(Section):
    """Size and shape quality of the subject mesh."""

    nodes: int = Field(ge=1, description="Number of nodes.")
    surface_nodes: int = Field(ge=1, description="Number of nodes on the outer surface.")
    tets: int = Field(ge=1, description="Number of linear tetrahedra.")
    mean_ratio_min: Number = Field(
        description="Smallest mean ratio of a tetrahedron: 1 regular, 0 flat, below 0 inverted."
    )
    mean_ratio_p1: Number = Field(description="1st percentile of the mean ratio.")
    mean_ratio_median: Number = Field(description="Median of the mean ratio.")
    min_dihedral_deg: Positive = Field(description="Smallest dihedral angle, degrees.")
    non_positive_tets: int = Field(ge=0, description="Number of tetrahedra with zero or negative volume.")


class Equilibrium(Section):
    """A check of the solution: the support must carry the load."""

    reaction_ras_newton: Position = Field(description="Total reaction at the clamped endplate, N, RAS+ axes.")
    relative_residual: Positive = Field(
        description="|total reaction + total load| over the sum of the sizes of the applied forces, those of the "
        "moments too; no unit, 0 is perfect equilibrium."
    )


class Prediction(Section):
    """How good the surrogate's prediction is expected to be."""

    surrogate: Surrogate = Field(description="The surrogate that predicted.")
    shape_distance_mm: Positive = Field(
        description="Root-mean-square distance of the surface nodes from the template's, mm, with pose and size "
        "removed."
    )
    shape_deviation: Positive = Field(
        description="Root mean square of the shape coefficients, in standard deviations of the shape model."
    )
    equilibrium_residual: Positive | None = Field(
        description="Forces that the predicted stress leaves unbalanced, over the load, no unit. Null where the "
        "surrogate predicts no stress tensor, and with `refined`."
    )
    expected_nmae_percent: Positive = Field(
        description="Expected mean absolute error of the von Mises stress, percent of the peak, against a "
        "finite-element solution on the same mesh. Computed from the shape deviation and, where there is one, the "
        "equilibrium residual; calibrated on simulated shapes of people that the surrogate was not trained on. With "
        "`refined` it is `error_bound_percent`."
    )
    out_of_distribution: bool = Field(
        description="The expected error is above the limit that the bundle sets: use fidelity `fe`. False with "
        "`refined`."
    )
    error_bound_percent: Positive | None = Field(
        default=None,
        description="Bound of the mean absolute error of the von Mises stress, percent of the peak, against a "
        "converged finite-element solution on the same mesh. The solver's own residual gives it. Null for other "
        "surrogates than `refined`.",
    )
    cycles: int | None = Field(
        default=None, ge=0, description="Cycles of the solver that refined the prediction; null for other surrogates."
    )
    unrefined_change_percent: Positive | None = Field(
        default=None,
        description="Mean absolute difference between the tangent surrogate's prediction, where the refinement "
        "started, and the refined von Mises stress, percent of the peak: the error of the prediction alone, within the "
        "bound. Null for other surrogates.",
    )


class ExpectedError(Section):
    """Expected mean absolute error of the von Mises stress, percent of the peak, by its causes."""

    outline_percent: Positive | None = Field(
        description="Part that the outline causes; null where a mask was sent, which counts as exact."
    )
    surrogate_percent: Positive | None = Field(
        description="Part that the surrogate causes; null for a finite-element solution."
    )
    total_percent: Positive = Field(description="Both together.")


class Agreement(Section):
    """How the prediction compares with the solution on the same mesh, von Mises stress (fidelity `both`)."""

    mae_mpa: Positive = Field(description="Mean absolute error over the nodes, MPa.")
    nmae_percent: Positive = Field(description="Mean absolute error over the solution's peak, percent (paper eq. 12).")
    r2: Number = Field(description="Coefficient of determination over the nodes (paper eq. 10).")
    peak_error_percent: Number = Field(description="Predicted peak over solved peak, minus 1, percent.")
    peak_distance_mm: Positive = Field(description="Distance between the predicted and the solved peak node, mm.")


class Software(Section):
    """The software that computed the report."""

    name: str = Field(description="Name of the software.")
    version: str = Field(description="Version of the software.")
    python: str = Field(description="Version of Python.")
    platform: str = Field(description="Operating system and processor.")
    bundle_version: str = Field(description="Version of the bundle (template and models).")
    providers: dict[str, str] = Field(
        default_factory=dict,
        description="Execution provider of ONNX Runtime that each loaded network really has, by its file.",
    )


class Inputs(Section):
    """The files that the job read."""

    mask_label: int | None = Field(default=None, description="Label of the vertebra in the mask; null without a mask.")
    ct_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the CT file as uploaded, hex.")
    mask_sha256: str | None = Field(
        pattern="^[0-9a-f]{64}$", description="SHA-256 of the mask file as uploaded, hex; null without a mask."
    )


class Report(Section):
    """``report.json``: one finished job in numbers."""

    schema_version: Literal[1] = Field(default=1, description="Version of this schema.")
    vertebra: ReportedLevel = Field(
        description="Level of the vertebra: the one asked for, or what the label of the mask stands for. `unknown` "
        "where a mask was sent and neither the client nor the mask says it."
    )
    load_newton: float = Field(gt=0.0, allow_inf_nan=False, description="Compressive load on the superior endplate, N.")
    body_weight: BodyWeight | None = Field(
        default=None, description="How the load follows from the body weight; null where the job has a force."
    )
    load_case: LoadCase = Field(default="traction", description="How the load is brought in.")
    moments: Moments | None = Field(
        default=None, description="Moments beside the load, N mm; null where there are none."
    )
    fidelity: Literal["surrogate", "fe"] = Field(
        description="What the stress in this report is: a surrogate's prediction or a finite-element solution."
    )
    prediction: Prediction | None = Field(
        default=None,
        description="Quality of the surrogate's prediction, also where a solution replaced it because the shape is out "
        "of distribution. Null where no surrogate predicted.",
    )
    expected_error: ExpectedError | None = Field(
        default=None,
        description="Expected error of the stress in this report; null where it is not known, as with a material that "
        "follows density.",
    )
    agreement: Agreement | None = Field(default=None, description="Null unless the job asked for fidelity `both`.")
    frame: str = Field(description="World frame and unit of all positions.")
    stress: StressSummary
    geometry: Geometry
    segmentation: Segmentation | None = Field(default=None, description="Null where a mask was sent.")
    numbering: Numbering | None = Field(default=None, description="Null where no mask was sent.")
    dicom: DicomInput | None = Field(
        default=None, description="Which DICOM series was read; null where a NIfTI file was sent."
    )
    size: Size | None = Field(
        default=None, description="Size beside that of adults; null in reports of older releases."
    )
    bone: Bone | None = Field(
        default=None, description="The patient's own bone; null where the job took it as homogeneous."
    )
    fit: SurfaceFit | None = Field(description="Fit of the template to the mask; null where none was made.")
    mesh: MeshQuality
    equilibrium: Equilibrium | None = Field(description="Force balance of the solution; null for a prediction alone.")
    timings_s: dict[str, Positive] = Field(
        description="Wall-clock time of each stage, s; another level of the job may have been computed beside it."
    )
    inputs: Inputs
    software: Software
    warnings: list[str] = Field(description="What a reader should know before using the numbers.")
    disclaimer: str = Field(description="Limits of use.")
