"""What a worker process loads once: the bundle and what follows from the template alone.

Errors of the solver become the error for the client here and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from threading import Lock

from app.contract.errors import MaskRequired, SolveFailed
from app.contract.params import JobParams, Surrogate
from app.contract.report import Prediction
from app.jobs.settings import Settings
from models.bundle import DEFAULT_BUNDLE, NETWORKS, Bundle
from models.template import Template
from models.types import Bools, Floats, Singles
from workers.bone.interior import interior_elements
from workers.bone.sampling import BoneSampler
from workers.fem.caps import CappedMesh
from workers.fem.crushing import CurvePoint, Yielding, crush
from workers.fem.driven import DrivenSolver
from workers.fem.equilibrium import equilibrium_residual
from workers.fem.errors import NotConverged, SolverError
from workers.fem.field import StressField
from workers.fem.loads import cranio_caudal_axis, endplate_traction
from workers.fem.material import Material
from workers.fem.moments import endplate_moments
from workers.fem.plates import plan_plates, solve_between_caps, solve_between_plates
from workers.fem.solve import Solution, solve
from workers.fem.solve_plan import SolvePlan
from workers.fem.solved_case import SolvedCase
from workers.fem.template_solver import STRESS_TOLERANCE, TemplateSolver
from workers.locate.landmark_network import LandmarkNetwork
from workers.locate.locator import Locator
from workers.locate.row_network import RowNetwork
from workers.locate.segmenter import Segmenter
from workers.locate.vertebra_finder import VertebraFinder
from workers.mesh.subject_mesh import MeshMorpher
from workers.outline.judgement import OutlineLaw
from workers.surrogate.expected_error import Calibration, bounded_error, estimate_error
from workers.surrogate.normalisation import normalising_pose
from workers.surrogate.paper import PaperSurrogate
from workers.surrogate.refined import RefinedSurrogate
from workers.surrogate.tangent import TangentSurrogate

log = logging.getLogger(__name__)


@contextmanager
def solver_errors() -> Iterator[None]:
    """Raise `SolveFailed`, which ends a job, in place of an error of the finite-element solver."""
    try:
        yield
    except SolverError as error:
        raise SolveFailed(error.detail, expected=error.expected, got=error.got) from error


class Engine:
    """The bundle, and all numerics that are set up once for its template.

    Parameters
    ----------
    bundle
        The shipped bundle by default.

    Attributes
    ----------
    segmenting
        Held by the level that is segmented. One fills the cores, or the memory of a GPU.
    """

    def __init__(self, bundle: Bundle | None = None) -> None:
        self.bundle = bundle or Bundle()
        self.segmenting = Lock()

    @cached_property
    def template(self) -> Template:
        """The template."""
        return self.bundle.template

    @cached_property
    def morpher(self) -> MeshMorpher:
        """Makes subject meshes."""
        return MeshMorpher(self.template, self.bundle.shape_model)

    @cached_property
    def bone_sampler(self) -> BoneSampler:
        """Reads the CT at the elements of subject meshes."""
        return BoneSampler(self.template)

    @cached_property
    def interior(self) -> Bools:
        """(m,) whether an element lies in the interior of the vertebral body."""
        return interior_elements(self.template)

    @cached_property
    def finder(self) -> VertebraFinder:
        """Finds and segments the vertebra.

        Raises
        ------
        MaskRequired
            The bundle has no networks for it, or cannot judge what they outline.
        """
        if not self.bundle.has(*NETWORKS) or "outline_calibration" not in self.bundle.manifest:
            raise MaskRequired(
                "This server's model bundle cannot segment: send a mask of the vertebra.",
                expected="a file part `mask`",
                got="a CT alone",
            )
        locator, row, landmarks, segmenter = (self.bundle.session(name, keep_memory=False) for name in NETWORKS)
        return VertebraFinder(Locator(locator), RowNetwork(row), LandmarkNetwork(landmarks), Segmenter(segmenter))

    @property
    def outline_law(self) -> OutlineLaw:
        """The expected error of a segmented outline."""
        return OutlineLaw(**self.bundle.manifest["outline_calibration"])

    @cached_property
    def plan(self) -> SolvePlan:
        """Sparsity pattern, Dirichlet nodes and multigrid hierarchy of the template's mesh."""
        return SolvePlan(self.template.tets, len(self.template.nodes), self.template.fixed_nodes)

    @cached_property
    def solver(self) -> TemplateSolver | None:
        """Solver with the two-level preconditioner; None where the bundle has no coarse mesh yet."""
        if not self.bundle.has("tangent.npz"):
            return None
        return TemplateSolver(self.template, self.bundle.tangent.coarse, self.plan.pattern)

    @cached_property
    def tangent(self) -> TangentSurrogate:
        """The tangent surrogate: the more accurate of the two that predict alone (docs/evaluation)."""
        n = self.template.n_surface
        return TangentSurrogate(self.bundle.tangent, self.template, self.morpher.basis[:n])

    @cached_property
    def refined(self) -> RefinedSurrogate:
        """The refined surrogate, the default."""
        tangent = self.tangent
        assert self.solver is not None, "a bundle with a tangent surrogate has a coarse mesh"
        return RefinedSurrogate(tangent, self.solver, self.template)

    @cached_property
    def paper(self) -> PaperSurrogate:
        """The paper's surrogate."""
        return PaperSurrogate(self.bundle, self.template)

    @solver_errors()
    def predict(self, points: Floats, load_newton: float, surrogate: Surrogate) -> StressField:
        """Return the stress field that a surrogate predicts for a subject mesh (n, 3), mm.

        Raises
        ------
        SolveFailed
            The coarse problem of the tangent surrogate, or the refinement, did not converge.
        """
        if surrogate == "refined":
            return self.refined.predict(points, load_newton).field
        chosen: TangentSurrogate | PaperSurrogate = self.paper if surrogate == "paper" else self.tangent
        return chosen.predict(points, load_newton)

    @solver_errors()
    def predict_with_error(self, points: Floats, params: JobParams) -> tuple[StressField, Prediction]:
        """Return the stress field that the job's surrogate predicts, and what the report says about its error.

        Parameters and errors are those of `predict`.
        """
        if params.surrogate == "refined":
            refinement = self.refined.predict(points, params.load_newton)
            return refinement.field, bounded_error(points, self.template, refinement)
        predicted = self.predict(points, params.load_newton, params.surrogate)
        return predicted, self.estimate_error(points, predicted, params)

    def coefficients(self, points: Floats) -> Singles:
        """Return the shape coefficients (m, 3) of a subject mesh (n, 3), mm."""
        return self.tangent.coefficients(normalising_pose(points, self.template).apply_inverse(points))

    def residual(self, points: Floats, predicted: StressField, load_newton: float) -> float | None:
        """Return the equilibrium residual of a prediction on a subject mesh (n, 3), mm; None where it has no tensor."""
        if predicted.tensor is None:
            return None
        force = self._force(points, load_newton)
        return equilibrium_residual(points, predicted.tensor, force, self.plan.pattern, self.plan.fixed)

    @solver_errors()
    def estimate_error(self, points: Floats, predicted: StressField, params: JobParams) -> Prediction:
        """Return what the report says about a prediction of `tangent` or `paper` on a subject mesh (n, 3), mm."""
        residual = self.residual(points, predicted, params.load_newton)
        calibration = Calibration(**self.bundle.manifest["calibration"][params.surrogate])
        coefficients = self.coefficients(points)
        return estimate_error(points, self.template, params.surrogate, calibration, coefficients, residual)

    @solver_errors()
    def solve(self, points: Floats, load_newton: float, material: Material | None = None) -> tuple[Solution, Floats]:
        """Return the solution of a subject mesh (n, 3), mm, and the nodal forces (n, 3), N.

        The elements are of `material`, by default the paper's bone.

        Raises
        ------
        SolveFailed
            An element has no positive volume, or conjugate gradients did not converge.
        """
        force = self._force(points, load_newton)
        return self._solve_each(points, [force], material)[0], force

    def _solve_each(self, points: Floats, forces: Sequence[Floats], material: Material | None) -> list[Solution]:
        """Return the solutions of a subject mesh (n, 3), mm, under several nodal forces (n, 3), N."""
        if self.solver is not None:
            try:
                return self.solver.solve_each(points, forces, STRESS_TOLERANCE, material=material)
            except NotConverged as error:
                log.warning("the two-level solver gives way to full multigrid: %s", error)
        return [solve(points, self.plan, force, material) for force in forces]

    @solver_errors()
    def solve_case(self, points: Floats, params: JobParams, material: Material | None) -> SolvedCase:
        """Return the solution of a job's load case. Parameters and errors are those of `solve`."""
        if params.load_case == "plates":
            return solve_between_plates(points, self.template, self.plates, params.load_newton, material)
        if params.load_case == "caps":
            return solve_between_caps(points, self.template, self.capped, params.load_newton, material)
        compression = self._force(points, params.load_newton)
        if params.moments is None:
            return SolvedCase(self._solve_each(points, [compression], material)[0], compression.sum(axis=0))
        bending = endplate_moments(points, self.template, params.moments.flexion, params.moments.lateral)
        forces = [compression, bending]
        return SolvedCase.superposed(self._solve_each(points, forces, material), forces)

    @cached_property
    def plates(self) -> SolvePlan:
        """Plan of the template's mesh between plates."""
        return plan_plates(self.template)

    @cached_property
    def driven(self) -> DrivenSolver:
        """Solver of the template's mesh between plates.

        Raises
        ------
        SolveFailed
            The bundle has no coarse mesh.
        """
        if not self.bundle.has("tangent.npz"):
            raise SolveFailed(
                "This server's model bundle cannot compute a nonlinear strength: it has no coarse mesh.",
                expected="tangent.npz in the bundle",
                got="a bundle without it",
            )
        return DrivenSolver(self.template, self.bundle.tangent.coarse, self.plan.pattern)

    @solver_errors()
    def crush(self, points: Floats, bone: Yielding, travels_mm: Sequence[float]) -> list[CurvePoint]:
        """Return the load-displacement curve of a subject mesh (n, 3), mm, between plates; errors as `solve`."""
        axis = cranio_caudal_axis(points, self.template.superior, self.template.inferior)
        return crush(points, self.driven, bone, axis, travels_mm)

    @cached_property
    def capped(self) -> CappedMesh:
        """The template's mesh with cement caps."""
        return CappedMesh.of(self.template)

    def _force(self, points: Floats, load_newton: float) -> Floats:
        """Return the nodal forces (n, 3), N, of the load case."""
        return endplate_traction(points, self.template.superior, self.template.inferior, load_newton)


@cache
def engine() -> Engine:
    """Return this process's engine, with the bundle in the folder and on the device of the settings."""
    settings = Settings()
    return Engine(Bundle(settings.models_dir / DEFAULT_BUNDLE.name, settings.device))
