"""The stages in order (paper Fig. 2): read, segment or take the mask, surface, morph, predict or solve, write."""

from __future__ import annotations

import hashlib
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
from app.contract.report import Agreement, Equilibrium, Inputs, Prediction, Segmentation, SurfaceFit
from workers.engine import engine
from workers.fem.field import StressField
from workers.geometry.triangles import Surface
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.locate.vertebra_finder import unlike_a_vertebra
from workers.mask.cleaning import CleanMask, clean_mask
from workers.mask.conventions import level_names
from workers.mask.ct_grid import onto_ct_grid
from workers.mask.label_choice import select_label
from workers.mask.plausibility import check_field_of_view, check_on_bone, check_vertebra, misfit
from workers.mesh.mask_surface import extract_surface
from workers.mesh.subject_mesh import SubjectMesh
from workers.results.agreement import agreement, solution_arrays
from workers.results.build_report import build_report, force_balance
from workers.results.captions import ExtraArray
from workers.results.publish import ResultFile, publish

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
LOOSE_FIT_MM = 0.6
TURNED_DEG = 60.0
LEADING_MODES, UNUSUAL_SHAPE = 20, 1.0
"""Root mean square of the leading coefficients: 0.14 to 0.91 on 33 whole vertebrae, 1.1 on an S1."""


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
        report = build_report(
            template,
            mesh.points,
            stress.field,
            params=params,
            inputs=Inputs(
                ct_sha256=_sha256(ct),
                mask_sha256=_sha256(mask) if mask else None,
                mask_label=vertebra.label if mask else None,
            ),
            bundle_version=engine().bundle.version,
            fidelity=stress.fidelity,
            prediction=stress.prediction,
            agreement=stress.agreement,
            segmentation=segmentation,
            fit=SurfaceFit(
                mean_mm=float(mesh.distance_mm.mean()),
                p95_mm=float(np.quantile(mesh.distance_mm, 0.95)),
                max_mm=float(mesh.distance_mm.max()),
            ),
            equilibrium=stress.equilibrium,
            timings_s=clock.timings,
            warnings=[*cautions(mesh, vertebra, params, volume if mask is None else None), *stress.warnings],
        )
        files = publish(
            out_dir,
            template=template,
            points=mesh.points,
            field=stress.field,
            extra=stress.extra,
            report=report,
            mask=onto_ct_grid(vertebra, volume),
            affine=volume.affine,
        )
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
class Stress:
    """The stress field of a job, what it is, and what is known about it."""

    field: StressField
    fidelity: Literal["surrogate", "fe"]
    prediction: Prediction | None = None
    agreement: Agreement | None = None
    equilibrium: Equilibrium | None = None
    extra: dict[str, ExtraArray] = default(default_factory=dict)
    warnings: tuple[str, ...] = ()


def stress_field(points: np.ndarray, params: JobParams, clock: _Clock) -> Stress:
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
        return Stress(
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
    return Stress(predicted, "surrogate", trust, warnings=unusual)


def _solved(points: np.ndarray, params: JobParams, clock: _Clock) -> Stress:
    with clock.stage("solve"):
        solution, force = engine().solve(points, params.load_newton)
    return Stress(solution.field, "fe", equilibrium=force_balance(solution.reaction, force.sum(axis=0)))


def cautions(mesh: SubjectMesh, vertebra: CleanMask, params: JobParams, segmented: Volume | None = None) -> list[str]:
    """Return sentences on what a reader should know before using the numbers; `segmented`: the CT, if no mask came."""
    told: list[str] = []
    mean = float(mesh.distance_mm.mean())
    if mean > LOOSE_FIT_MM:
        told.append(f"The mesh lies {mean:.2f} mm from the mask's surface on average (usually 0.05 to 0.2 mm).")
    turn = np.degrees(np.arccos(np.clip((np.trace(mesh.fit.pose.rotation) - 1.0) / 2.0, -1.0, 1.0)))
    if turn > TURNED_DEG:
        told.append(
            f"The vertebra lies turned by {turn:.0f}° in the scan's RAS frame: check the orientation of the image."
        )
    voxel = float((vertebra if segmented is None else segmented).spacing.max())
    if voxel > 2.5:
        whose = "mask" if segmented is None else "CT"
        told.append(f"The {whose}'s voxels measure up to {voxel:.1f} mm: detail finer than that is interpolated.")
    shape = float(np.sqrt(np.square(mesh.fit.coefficients[:LEADING_MODES]).mean()))
    if shape > UNUSUAL_SHAPE:
        told.append(f"The shape is unusual: {shape:.1f} standard deviations (whole vertebrae T11 to L5: 0.1 to 0.9).")
    named = level_names(vertebra.label)
    if named and params.vertebra not in named.values():
        names = " and ".join(f"{level} in {scheme} numbering" for scheme, level in named.items())
        told.append(f"Label {vertebra.label} is {names}, but the job says {params.vertebra}: check the level.")
    if params.vertebra != "L1":
        told.append(f"The template is an L1; {params.vertebra} was fitted with it.")
    return told


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
