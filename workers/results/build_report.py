"""``report.json``: the stress field in numbers, with what a reader needs to trust or to repeat them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from typing import Literal

from app.contract.dicom_series import DicomInput
from app.contract.params import JobParams, ReportedLevel
from app.contract.report import (
    Agreement,
    BodyWeight,
    Bone,
    Equilibrium,
    ExpectedError,
    Inputs,
    Numbering,
    Prediction,
    Report,
    Segmentation,
    Size,
    Software,
    SurfaceFit,
)
from workers.results.captions import DENSITY_DISCLAIMER, DISCLAIMER, FRAME
from workers.results.expected_error import total_error
from workers.results.mesh_summary import summarise_geometry, summarise_quality
from workers.results.stress_summary import summarise_stress
from workers.results.stressed_mesh import StressedMesh

TIMING_DECIMALS = 4
"""Of timings in seconds."""


@dataclass(frozen=True)
class ReportSections:
    """The sections that a stressed mesh alone does not give.

    Attributes
    ----------
    params, level
        What the client asked for; the level of the vertebra.
    inputs, software
        Which files were read, and what computed.
    fidelity
        What the stress field is: a prediction or a solution.
    prediction, agreement
        Expected quality of the prediction; its comparison with a solution.
    equilibrium
        Force balance of the solution.
    segmentation
        How the vertebra was found; None where a mask was sent.
    numbering
        What the label of the mask stands for; None where none was sent.
    dicom
        Which DICOM series was read; None where a NIfTI file was sent.
    size
        Size beside that of adults.
    bone
        The patient's own bone; None where it is homogeneous.
    body_weight
        What the load follows from; None where the job has a force.
    fit
        Distance between the mesh's surface and the mask's.
    timings_s
        Wall-clock seconds of each stage so far.
    warnings
        Sentences for the reader.
    """

    params: JobParams
    level: ReportedLevel
    inputs: Inputs
    software: Software
    fidelity: Literal["surrogate", "fe"]
    prediction: Prediction | None = None
    agreement: Agreement | None = None
    equilibrium: Equilibrium | None = None
    segmentation: Segmentation | None = None
    numbering: Numbering | None = None
    dicom: DicomInput | None = None
    size: Size | None = None
    bone: Bone | None = None
    body_weight: BodyWeight | None = None
    fit: SurfaceFit | None = None
    timings_s: Mapping[str, float] = default(default_factory=dict)
    warnings: Sequence[str] = ()


def build_report(mesh: StressedMesh, sections: ReportSections) -> Report:
    """Measure the mesh and its stress, and put all sections together."""
    return Report(
        vertebra=sections.level,
        load_newton=sections.params.load_newton,
        body_weight=sections.body_weight,
        load_case=sections.params.load_case,
        moments=sections.params.moments,
        fidelity=sections.fidelity,
        prediction=sections.prediction,
        expected_error=expected_error(sections),
        agreement=sections.agreement,
        segmentation=sections.segmentation,
        numbering=sections.numbering,
        dicom=sections.dicom,
        size=sections.size,
        frame=FRAME,
        stress=summarise_stress(mesh),
        geometry=summarise_geometry(mesh),
        bone=sections.bone,
        fit=sections.fit,
        mesh=summarise_quality(mesh),
        equilibrium=sections.equilibrium,
        timings_s={stage: round(float(seconds), TIMING_DECIMALS) for stage, seconds in sections.timings_s.items()},
        inputs=sections.inputs,
        software=sections.software,
        warnings=list(sections.warnings),
        disclaimer=DENSITY_DISCLAIMER if sections.bone else DISCLAIMER,
    )


def expected_error(sections: ReportSections) -> ExpectedError | None:
    """Return what is known of the stress' error; None with the patient's own bone.

    Outlines and surrogates are calibrated on homogeneous bone, and nothing tells the error of calibration and law.
    """
    if sections.bone is not None:
        return None
    outline = sections.segmentation.outline if sections.segmentation else None
    return total_error(outline, sections.prediction, sections.fidelity)
