"""The stages in order (paper Fig. 2, the mask route): read, clean, surface, morph, solve, write."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from app.jobs.errors import MaskRequired, MorphFailed
from app.jobs.params import JobParams
from models.bundle import Bundle
from models.template import Template
from workers.fem.loads import endplate_traction
from workers.fem.solve import Plan, Solution, solve
from workers.stages.mask import CleanMask, clean_mask, label_names, place_on, select_label
from workers.stages.plausibility import check_field_of_view, check_on_bone, check_vertebra, misfit
from workers.stages.publish import ResultFile, publish
from workers.stages.report import build_report, force_balance
from workers.stages.report_model import Inputs, SurfaceFit
from workers.stages.subject_mesh import Morpher, SubjectMesh
from workers.stages.surface import extract_surface
from workers.stages.triangles import Surface
from workers.stages.volume import Volume, read_ct, read_mask

Progress = Callable[[str, float], None]
"""Called with a stage's name and the percentage of the whole job that is done when it starts."""

STAGES = {"read": 2.0, "mask": 8.0, "surface": 12.0, "morph": 16.0, "solve": 45.0, "write": 85.0}
"""Stages and the share of the whole job that is done when each starts, percent."""
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


class Engine:
    """Everything a worker process loads once: the bundle and what follows from the template alone."""

    def __init__(self) -> None:
        self.bundle = Bundle()

    @cached_property
    def template(self) -> Template:
        """The reference mesh."""
        return self.bundle.template

    @cached_property
    def morpher(self) -> Morpher:
        """Fits the template to surfaces."""
        return Morpher(self.template, self.bundle.shape_model)

    @cached_property
    def plan(self) -> Plan:
        """Sparsity patterns and multigrid levels of the template's stiffness matrix."""
        return Plan(self.template.tets, len(self.template.nodes), self.template.fixed_nodes)

    def solve(self, points: np.ndarray, load_newton: float) -> tuple[Solution, np.ndarray]:
        """Solve the compression of a subject's mesh (n, 3) mm; return the solution and the nodal forces (n, 3) N."""
        force = endplate_traction(points, self.template.superior, self.template.inferior, load_newton)
        return solve(points, self.plan, force), force


@cache
def engine() -> Engine:
    """Return this process's engine."""
    return Engine()


def warm_up() -> None:
    """Load the bundle and run the numerics once on the template itself, so that the first job finds all compiled."""
    template = engine().template
    surface = Surface(template.nodes[: template.n_surface], template.triangles)
    points = engine().morpher.mesh(surface, 0.0).points
    points[-1] += 2.0  # tangle one internal node, so that repair has something to do
    engine().morpher.repair(points)
    engine().solve(points, 500.0)


@dataclass
class _Clock:
    """Announces each stage and takes its time."""

    progress: Progress
    timings: dict[str, float] = field(default_factory=dict)

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
        NIfTI files as uploaded: the CT (HU) and the label map.
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
    if mask is None:
        raise MaskRequired("Send a mask of the vertebra with the CT.")
    clock, template = _Clock(progress), engine().template

    with clock.stage("read"):
        volume, labels = read_ct(ct), read_mask(mask)
    with clock.stage("mask"):
        vertebra = isolate(labels, volume, params)
    with clock.stage("surface"):
        surface = extract_surface(vertebra.voxels, vertebra.affine)
    with clock.stage("morph"):
        mesh = morph(vertebra, surface)
    with clock.stage("solve"):
        solution, force = engine().solve(mesh.points, params.load_newton)
    with clock.stage("write"):
        report = build_report(
            template,
            mesh.points,
            solution.field,
            params=params,
            inputs=Inputs(ct_sha256=_sha256(ct), mask_sha256=_sha256(mask), mask_label=vertebra.label),
            bundle_version=engine().bundle.version,
            fit=SurfaceFit(
                mean_mm=float(mesh.distance_mm.mean()),
                p95_mm=float(np.quantile(mesh.distance_mm, 0.95)),
                max_mm=float(mesh.distance_mm.max()),
            ),
            equilibrium=force_balance(solution.reaction, force.sum(axis=0)),
            timings_s=clock.timings,
            warnings=cautions(mesh, vertebra, params),
        )
        files = publish(
            out_dir,
            template=template,
            points=mesh.points,
            field=solution.field,
            report=report,
            mask=place_on(vertebra, volume),
            affine=volume.affine,
        )
    return PipelineResult(files, clock.timings, engine().bundle.version)


def isolate(labels: Volume, ct: Volume, params: JobParams) -> CleanMask:
    """Return the one clean, whole, plausible vertebra of the label map."""
    label = select_label(labels, params.mask_label, params.vertebra)
    check_field_of_view(labels, label, ct)
    vertebra = clean_mask(labels, label)
    check_vertebra(vertebra)
    check_on_bone(vertebra, ct)
    return vertebra


def morph(vertebra: CleanMask, surface: Surface) -> SubjectMesh:
    """Return the template on the vertebra's surface; a shape it does not fit is refused as what it probably is."""
    try:
        return engine().morpher.mesh(surface, float(vertebra.spacing.max()))
    except MorphFailed as error:
        raise misfit(vertebra, error) from error


def cautions(mesh: SubjectMesh, vertebra: CleanMask, params: JobParams) -> list[str]:
    """Return sentences on what a reader should know before using the numbers."""
    found = []
    mean = float(mesh.distance_mm.mean())
    if mean > LOOSE_FIT_MM:
        found.append(f"The mesh lies {mean:.2f} mm from the mask's surface on average (usually 0.05 to 0.2 mm).")
    turn = np.degrees(np.arccos(np.clip((np.trace(mesh.fit.pose.rotation) - 1.0) / 2.0, -1.0, 1.0)))
    if turn > TURNED_DEG:
        found.append(
            f"The vertebra lies turned by {turn:.0f}° in the scan's RAS frame: check the orientation of the image."
        )
    if float(vertebra.spacing.max()) > 2.5:
        found.append(
            f"The mask's voxels measure up to {vertebra.spacing.max():.1f} mm: detail finer than that is interpolated."
        )
    shape = float(np.sqrt(np.square(mesh.fit.coefficients[:LEADING_MODES]).mean()))
    if shape > UNUSUAL_SHAPE:
        found.append(f"The shape is unusual: {shape:.1f} standard deviations (whole vertebrae T11 to L5: 0.1 to 0.9).")
    named = label_names(vertebra.label)
    if named and params.vertebra not in named.values():
        names = " and ".join(f"{level} in {scheme} numbering" for scheme, level in named.items())
        found.append(f"Label {vertebra.label} is {names}, but the job says {params.vertebra}: check the level.")
    if params.vertebra != "L1":
        found.append(f"The template is an L1; {params.vertebra} was fitted with it.")
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
