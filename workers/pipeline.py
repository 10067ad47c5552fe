"""The stages of a job in order (paper Fig. 2): read, find or take the vertebra, morph, predict or solve, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from app.contract.errors import MorphFailed
from app.contract.params import JobParams, ReportedLevel, Vertebra
from app.contract.report import Segmentation
from app.contract.size import Size
from workers.bone_stage import describe_bone, find_bone
from workers.engine import engine
from workers.geometry.surface import Surface
from workers.load_stage import with_load
from workers.mask.cleaning import CleanMask
from workers.mask.plausibility import explain_misfit
from workers.mask.segmentation_checks import unlike_a_vertebra
from workers.mesh.mask_surface import extract_surface
from workers.mesh.subject_mesh import SubjectMesh
from workers.outline.edge_fit import fit_to_edges
from workers.outline.edge_offset import edge_of
from workers.outline.judgement import Evidence, judge_outline, refuse_uncertain
from workers.outline.surface_mask import voxels_inside
from workers.results.build_report import ReportSections, build_report
from workers.results.dicom_warnings import dicom_warnings
from workers.results.mesh_summary import summarise_fit
from workers.results.numbering_warnings import numbering_warnings
from workers.results.provenance import describe_software
from workers.results.publish import Contents, ResultFile, drawing, publish
from workers.results.report_warnings import frame_warnings, report_warnings
from workers.results.segmentation_section import segmentation_section
from workers.results.segmentation_warnings import segmentation_warnings
from workers.results.size_section import size_section, size_warnings
from workers.results.stressed_mesh import StressedMesh
from workers.scan import Scan, read_scan
from workers.several_levels import LevelResult, compute_levels
from workers.stage_clock import Progress, StageClock, shared_clock
from workers.stress_stage import compute_stress
from workers.vertebra_stage import Found, find_vertebra


@dataclass(frozen=True)
class PipelineResult:
    """What a job leaves behind.

    Attributes
    ----------
    files
        Result files, written into the folder the pipeline was given.
    timings
        Wall-clock seconds a stage.
    bundle_version
        Version of the model bundle that was used.
    warnings
        Those of the report, or of the reports of all levels.
    converted
        CT and mask as NIfTI, each where it was sent as DICOM; else None.
    level
        Of the vertebra, as the report has it; None for a job of several.
    """

    files: list[ResultFile]
    timings: dict[str, float]
    bundle_version: str
    warnings: Sequence[str] = ()
    converted: tuple[Path | None, Path | None] = (None, None)
    level: ReportedLevel | None = None


def run_pipeline(ct: Path, mask: Path | None, params: JobParams, out_dir: Path, progress: Progress) -> PipelineResult:
    """Compute the stress field of each vertebra that a job asks for and write every result file.

    Parameters
    ----------
    ct, mask
        Files as uploaded: the CT (HU) and the label map. Without a label map the networks find the vertebra.
    params
        What the client asked for.
    out_dir
        Existing folder for the result files. A refusal of the networks leaves pictures in it.
    progress
        Called at the start of each stage; may raise to stop the job.

    Raises
    ------
    VertebraError
        `InputError` for a CT or mask that cannot be used, `ProcessingError` where the computation fails.
    """
    clock = shared_clock(progress, len(params.by_level()), "segment" if mask is None else "mask")
    scan = read_scan(ct, mask, params, out_dir, clock)
    compute, level = partial(compute_level, scan), None
    if params.has_folders:
        files, warnings = compute_levels(compute, scan, params, out_dir, clock)
    else:
        result = compute(params, out_dir, clock)
        files, warnings, level = result.files, result.report.warnings, result.report.vertebra
    return PipelineResult(files, clock.timings, engine().bundle.version, warnings, scan.converted, level)


def compute_level(scan: Scan, params: JobParams, out_dir: Path, clock: StageClock) -> LevelResult:
    """Compute the stress field of one vertebra and write its result files into a folder, which is made if missing."""
    found = find_vertebra(scan, params, clock)
    vertebra, evidence = found.vertebra, found.evidence
    params, body_weight = with_load(params, found.level)
    with clock.stage("surface"):
        surface = surface_of(vertebra, evidence)
        vertebra = filled(vertebra, surface) if evidence else vertebra
    with clock.stage("morph"):
        mesh = morph(vertebra, surface, params.vertebra_sought if evidence else None)
        segmentation = judge_segmentation(evidence, vertebra, mesh, params) if evidence else None
        edge = None if evidence else edge_of(surface, scan.ct)
        size = size_section(found.level, vertebra.volume_mm3 / 1000.0, mesh.fit.pose.scale, edge)
    bone = find_bone(mesh.points, scan.ct, params, clock, scan.about_dicom)
    stress = compute_stress(mesh.points, params, clock, bone.elements.material if bone else None)
    section, arrays = describe_bone(mesh.points, stress, bone, params, clock) if bone else (None, {})
    with clock.stage("write"):
        stressed = StressedMesh(engine().template, mesh.points, stress.field, {**stress.extra, **arrays})
        warnings = [
            *(bone.warnings if bone else ()),
            *(segmentation_warnings(segmentation, params.vertebra_sought) if segmentation else []),
            *warnings_of_input(scan, found, size),
            *report_warnings(mesh, vertebra, found.level, scan.ct if evidence else None),
        ]
        sections = ReportSections(
            params,
            found.level,
            inputs=scan.inputs_of(found.numbering),
            software=describe_software(engine().bundle.version, engine().bundle.providers),
            fidelity=stress.fidelity,
            prediction=stress.prediction,
            agreement=stress.agreement,
            equilibrium=stress.equilibrium,
            segmentation=segmentation,
            numbering=found.numbering,
            dicom=scan.about_dicom,
            size=size,
            bone=section,
            body_weight=body_weight,
            fit=summarise_fit(mesh.distance_mm),
            timings_s=clock.timings,
            warnings=[*warnings, *stress.warnings],
        )
        with drawing(stressed, section, params.wants) as views:
            report = build_report(stressed, sections)
            contents = Contents(stressed, report, vertebra, scan.grid, scan.ct, scan.source, views)
            return LevelResult(*publish(out_dir, contents, params.wants))


def warnings_of_input(scan: Scan, found: Found, size: Size) -> list[str]:
    """Return what a reader should know of the files that were sent: DICOM series, numbering, size, frames."""
    return [
        *dicom_warnings(scan.about_dicom),
        *numbering_warnings(found.numbering, found.level),
        *size_warnings(size, found.level),
        *frame_warnings(scan.ct.frames_apart_mm, found.frames_apart_mm),
    ]


def surface_of(vertebra: CleanMask, evidence: Evidence | None) -> Surface:
    """Return the surface of a mask; that of a segmentation of ours is moved to the edges of the CT."""
    surface = extract_surface(vertebra.voxels, vertebra.affine)
    return surface if evidence is None else fit_to_edges(surface, evidence.ct)


def filled(vertebra: CleanMask, surface: Surface) -> CleanMask:
    """Return the vertebra with the voxels inside the surface that was moved to the edges: what the job publishes."""
    return replace(vertebra, voxels=voxels_inside(surface, vertebra.affine, vertebra.voxels.shape))


def judge_segmentation(evidence: Evidence, vertebra: CleanMask, mesh: SubjectMesh, params: JobParams) -> Segmentation:
    """Return how the vertebra was found and how good its outline is; refuse that one where the client wants it."""
    law = engine().outline_law
    outline = judge_outline(evidence, mesh.points, engine().template, law)
    if params.on_uncertain_outline == "refuse":
        refuse_uncertain(outline, law.limit)
    return segmentation_section(evidence.location, evidence.first, vertebra, outline)


def morph(vertebra: CleanMask, surface: Surface, segmented: Vertebra | None = None) -> SubjectMesh:
    """Return the template on the vertebra's surface; refuse a shape that it does not fit as what it probably is.

    Parameters
    ----------
    vertebra, surface
        The mask, and its surface in the world.
    segmented
        Level asked for, where the mask is a segmentation of ours; None where a mask was sent.
    """
    try:
        return engine().morpher.morph(surface, float(vertebra.spacing.max()))
    except MorphFailed as error:
        if segmented:
            raise unlike_a_vertebra(segmented, error) from error
        raise explain_misfit(vertebra, error) from error
