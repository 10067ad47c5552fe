"""The stages of a job in order (paper Fig. 2): read, find or take the vertebra, morph, predict or solve, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.contract.errors import MorphFailed
from app.contract.numbering import Numbering
from app.contract.params import JobParams, ReportedLevel, Vertebra
from app.contract.report import Segmentation
from workers.engine import engine
from workers.geometry.surface import Surface
from workers.imaging.grid import Grid
from workers.imaging.volume import Volume, read_ct, read_ct_near, read_mask
from workers.locate.vertebra_finder import VertebraLocation
from workers.locate_stage import locate_vertebra
from workers.mask.cleaning import CleanMask
from workers.mask.plausibility import explain_misfit
from workers.mask.segmentation_checks import accept_segmentation, unlike_a_vertebra
from workers.mask_stage import NEAR_LABEL_MM, label_of, vertebra_of_label
from workers.mesh.mask_surface import extract_surface
from workers.mesh.subject_mesh import SubjectMesh
from workers.outline.edge_fit import fit_to_edges
from workers.outline.judgement import Evidence, judge_outline, refuse_uncertain
from workers.outline.surface_mask import voxels_inside
from workers.results.build_report import ReportSections, build_report
from workers.results.mesh_summary import summarise_fit
from workers.results.numbering_warnings import numbering_warnings
from workers.results.provenance import describe_inputs, describe_software
from workers.results.publish import Contents, ResultFile, publish
from workers.results.report_warnings import report_warnings
from workers.results.segmentation_section import segmentation_section
from workers.results.segmentation_warnings import segmentation_warnings
from workers.results.stressed_mesh import StressedMesh
from workers.stage_clock import Progress, StageClock
from workers.stress_stage import compute_stress


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
        Those of the report.
    """

    files: list[ResultFile]
    timings: dict[str, float]
    bundle_version: str
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Found:
    """The vertebra of a job, as its mask or the networks give it.

    Attributes
    ----------
    vertebra
        The clean mask.
    level
        Its level; "unknown" where neither the client nor the mask that was sent says it.
    numbering
        What its label stands for; None without a mask.
    evidence
        What the networks saw; None where a mask was sent.
    grid
        Of the CT.
    """

    vertebra: CleanMask
    level: ReportedLevel
    numbering: Numbering | None
    evidence: Evidence | None
    grid: Grid


def run_pipeline(ct: Path, mask: Path | None, params: JobParams, out_dir: Path, progress: Progress) -> PipelineResult:
    """Compute the stress field of one vertebra and write every result file.

    Parameters
    ----------
    ct, mask
        NIfTI files as uploaded: the CT (HU) and the label map. Without a label map the networks find the vertebra.
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
    clock, bundle = StageClock(progress), engine().bundle
    found = find_vertebra(ct, mask, params, out_dir, clock)
    vertebra, evidence = found.vertebra, found.evidence
    with clock.stage("surface"):
        surface = surface_of(vertebra, evidence)
        vertebra = filled(vertebra, surface) if evidence else vertebra
    with clock.stage("morph"):
        mesh = morph(vertebra, surface, None if mask else params.vertebra_sought)
        segmentation = judge_segmentation(evidence, vertebra, mesh, params) if evidence else None
    stress = compute_stress(mesh.points, params, clock)
    with clock.stage("write"):
        stressed = StressedMesh(engine().template, mesh.points, stress.field, stress.extra)
        warnings = [
            *(segmentation_warnings(segmentation, params.vertebra_sought) if segmentation else []),
            *numbering_warnings(found.numbering, found.level),
            *report_warnings(mesh, vertebra, found.level, evidence.ct if evidence else None),
        ]
        sections = ReportSections(
            params,
            found.level,
            inputs=describe_inputs(ct, mask, vertebra.label),
            software=describe_software(bundle.version, bundle.providers),
            fidelity=stress.fidelity,
            prediction=stress.prediction,
            agreement=stress.agreement,
            equilibrium=stress.equilibrium,
            segmentation=segmentation,
            numbering=found.numbering,
            fit=summarise_fit(mesh.distance_mm),
            timings_s=clock.timings,
            warnings=[*warnings, *stress.warnings],
        )
        report = build_report(stressed, sections)
        files = publish(out_dir, Contents(stressed, report, vertebra, found.grid), params.wants)
    return PipelineResult(files, clock.timings, bundle.version, report.warnings)


def find_vertebra(ct: Path, mask: Path | None, params: JobParams, out_dir: Path, clock: StageClock) -> Found:
    """Return the vertebra, and what told it.

    A mask is read before the CT, of which only the planes near the label are kept.
    """
    if mask is None:
        with clock.stage("read"):
            volume = read_ct(ct)
        vertebra, evidence = vertebra_of_ct(volume, params, out_dir, clock)
        return Found(vertebra, params.vertebra_sought, None, evidence, volume.grid)
    with clock.stage("read"):
        label = label_of(read_mask(mask), params)
        near, grid = read_ct_near(ct, label.piece.grid, NEAR_LABEL_MM)
    with clock.stage("mask"):
        return Found(vertebra_of_label(label, near, grid), label.level, label.numbering, None, grid)


def vertebra_of_ct(ct: Volume, params: JobParams, out_dir: Path, clock: StageClock) -> tuple[CleanMask, Evidence]:
    """Return the vertebra that the networks find, and what they saw; leave pictures of the row in the folder."""
    with clock.stage("localise"):
        location = locate_vertebra(ct, params, out_dir)
    with clock.stage("segment"):
        return segment_vertebra(ct, location)


def segment_vertebra(ct: Volume, location: VertebraLocation) -> tuple[CleanMask, Evidence]:
    """Return the clean, whole, plausible vertebra of a location (paper section II.B), and what the networks saw."""
    finder = engine().finder
    evidence = Evidence(ct, location, finder.segment(ct, location), finder.second_view(ct, location))
    return accept_segmentation(evidence.first, location, ct), evidence


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
