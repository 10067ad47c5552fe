"""The stages in order (paper Fig. 2): read, segment or take the mask, surface, morph, predict or solve, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from dataclasses import field as default
from pathlib import Path
from typing import Literal

import numpy as np

from app.contract.errors import MorphFailed, SolveFailed
from app.contract.params import JobParams
from app.contract.report import Agreement, Equilibrium, Prediction, Segmentation
from workers.engine import engine
from workers.fem.field import StressField
from workers.geometry.surface import Surface
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.locate.vertebra_finder import unlike_a_vertebra
from workers.mask.cleaning import CleanMask, clean_mask
from workers.mask.ct_grid import onto_ct_grid
from workers.mask.label_choice import select_label
from workers.mask.plausibility import check_field_of_view, check_on_bone, check_vertebra, misfit
from workers.mesh.mask_surface import extract_surface
from workers.mesh.subject_mesh import SubjectMesh
from workers.results.agreement import agreement, solution_arrays
from workers.results.build_report import ReportSections, build_report
from workers.results.force_balance import force_balance
from workers.results.mesh_summary import summarise_fit
from workers.results.provenance import describe_inputs, describe_software
from workers.results.publish import ResultFile, publish
from workers.results.report_warnings import report_warnings
from workers.results.stressed_mesh import NodalArray, StressedMesh

Progress = Callable[[str, float], None]
"""Called with a stage's name and the percentage of the whole job that is done when it starts."""

STAGES = {
    "read": 2.0,
    "mask": 8.0,
    "localise": 8.0,
    "segment": 18.0,
    "surface": 40.0,
    "morph": 42.0,
    "predict": 62.0,
    "solve": 64.0,
    "write": 88.0,
}
"""Stages and the share of the whole job that is done when each starts, percent. A job takes a mask, or localises and
segments; it predicts, or solves, or both."""


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
    """

    files: list[ResultFile]
    timings: dict[str, float]
    bundle_version: str


@dataclass
class _Clock:
    """Announces each stage and takes its time."""

    progress: Progress
    timings: dict[str, float] = default(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.progress(name, STAGES[name])
        start = time.perf_counter()
        yield
        self.timings[name] = time.perf_counter() - start


def run_pipeline(ct: Path, mask: Path | None, params: JobParams, out_dir: Path, progress: Progress) -> PipelineResult:
    """Compute the stress field of one vertebra and write every result file.

    Parameters
    ----------
    ct, mask
        NIfTI files as uploaded: the CT (HU) and the label map; without one the vertebra is found and segmented.
    params
        What the client asked for.
    out_dir
        Existing folder for the result files.
    progress
        Called at the start of each stage; may raise to stop the job.

    Raises
    ------
    VertebraError
        `InputError` for a CT or mask that cannot be used, `ProcessingError` where the computation fails.
    """
    clock, template = _Clock(progress), engine().template

    with clock.stage("read"):
        volume = read_ct(ct)
    vertebra, segmentation = given(mask, volume, params, clock) if mask else found(volume, params, clock)
    with clock.stage("surface"):
        surface = extract_surface(vertebra.voxels, vertebra.affine)
    with clock.stage("morph"):
        mesh = morph(vertebra, surface, params if segmentation else None)
    stress = stress_field(mesh.points, params, clock)
    with clock.stage("write"):
        stressed = StressedMesh(template, mesh.points, stress.field, stress.extra)
        warnings = report_warnings(mesh, vertebra, params.vertebra, None if mask else volume)
        sections = ReportSections(
            params,
            inputs=describe_inputs(ct, mask, vertebra.label),
            software=describe_software(engine().bundle.version),
            fidelity=stress.fidelity,
            prediction=stress.prediction,
            agreement=stress.agreement,
            equilibrium=stress.equilibrium,
            segmentation=segmentation,
            fit=summarise_fit(mesh.distance_mm),
            timings_s=clock.timings,
            warnings=[*warnings, *stress.warnings],
        )
        report = build_report(stressed, sections)
        files = publish(out_dir, stressed, report, onto_ct_grid(vertebra, volume), volume.affine)
    return PipelineResult(files, clock.timings, engine().bundle.version)


def given(mask: Path, ct: Volume, params: JobParams, clock: _Clock) -> tuple[CleanMask, None]:
    """Return the vertebra of the mask that was sent."""
    with clock.stage("mask"):
        return isolate(read_mask(mask), ct, params), None


def found(ct: Volume, params: JobParams, clock: _Clock) -> tuple[CleanMask, Segmentation]:
    """Return the vertebra that the networks find (paper section II.B)."""
    with clock.stage("localise"):
        place = engine().finder.place(ct, params)
    with clock.stage("segment"):
        return engine().finder.mask(ct, place, params)


def isolate(labels: Volume, ct: Volume, params: JobParams) -> CleanMask:
    """Return the one clean, whole, plausible vertebra of the label map."""
    label = select_label(labels, params.mask_label, params.vertebra)
    check_field_of_view(labels, label, ct)
    vertebra = clean_mask(labels, label)
    check_vertebra(vertebra)
    check_on_bone(vertebra, ct)
    return vertebra


def morph(vertebra: CleanMask, surface: Surface, segmented: JobParams | None = None) -> SubjectMesh:
    """Return the template on the vertebra's surface; a shape it does not fit is refused as what it probably is.

    `segmented` has the parameters of a job that came without a mask.
    """
    try:
        return engine().morpher.mesh(surface, float(vertebra.spacing.max()))
    except MorphFailed as error:
        raise (unlike_a_vertebra(segmented.vertebra, error) if segmented else misfit(vertebra, error)) from error


@dataclass(frozen=True)
class StressOutcome:
    """The stress field of a job, and what the report says about it.

    Attributes
    ----------
    field
        Nodal stress, MPa.
    fidelity
        What `field` is: a prediction or a solution.
    prediction, agreement
        Expected quality of the prediction; its comparison with a solution.
    equilibrium
        Force balance of the solution.
    extra
        Further nodal arrays for the VTK files.
    warnings
        Sentences for the reader.
    """

    field: StressField
    fidelity: Literal["surrogate", "fe"]
    prediction: Prediction | None = None
    agreement: Agreement | None = None
    equilibrium: Equilibrium | None = None
    extra: dict[str, NodalArray] = default(default_factory=dict)
    warnings: tuple[str, ...] = ()


def stress_field(points: np.ndarray, params: JobParams, clock: _Clock) -> StressOutcome:
    """Predict the stress of a subject's mesh (n, 3) mm, or solve for it, or both, as the job asks."""
    if params.fidelity == "fe":
        return _solved(points, params, clock)
    try:
        with clock.stage("predict"):
            predicted = engine().predict(points, params.load_newton, params.surrogate)
            trust = engine().assess(points, predicted, params)
    except SolveFailed:
        told = "The surrogate's own small problem did not converge: the stress was solved with finite elements."
        return replace(_solved(points, params, clock), warnings=(told,))
    unusual: tuple[str, ...] = ()
    if trust.out_of_distribution:
        unusual = (
            "The shape is outside what the surrogate predicts well: expect a mean error of "
            f"{trust.expected_nmae_percent:.1f} % of the peak, and more at the peak itself; rely on finite elements.",
        )
    if params.fidelity == "both":
        solved = _solved(points, params, clock)
        return StressOutcome(
            predicted,
            "surrogate",
            trust,
            agreement(points, predicted, solved.field),
            solved.equilibrium,
            solution_arrays(predicted, solved.field),
            unusual,
        )
    if trust.out_of_distribution and params.on_out_of_distribution == "fe":
        told = "The shape is outside what the surrogate predicts well: the stress was solved with finite elements."
        return replace(_solved(points, params, clock), prediction=trust, warnings=(told,))
    return StressOutcome(predicted, "surrogate", trust, warnings=unusual)


def _solved(points: np.ndarray, params: JobParams, clock: _Clock) -> StressOutcome:
    with clock.stage("solve"):
        solution, force = engine().solve(points, params.load_newton)
    return StressOutcome(solution.field, "fe", equilibrium=force_balance(solution.reaction, force.sum(axis=0)))
