"""What a worker process loads once: the bundle, and all that follows from the template alone."""

from __future__ import annotations

from functools import cache, cached_property

import numpy as np

from app.contract.errors import MaskRequired
from app.contract.params import JobParams, Surrogate
from app.contract.report import Prediction
from models.bundle import NETWORKS, Bundle
from models.template import Template
from workers.fem.field import StressField
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.residual import equilibrium_residual
from workers.fem.solve import Plan, Solution, solve
from workers.geometry.surface import Surface
from workers.locate.landmark_network import LandmarkNetwork
from workers.locate.locator import Locator
from workers.locate.segmenter import Segmenter
from workers.locate.vertebra_finder import VertebraFinder
from workers.mesh.subject_mesh import MeshMorpher
from workers.surrogate.expected_error import Calibration, assess
from workers.surrogate.paper import PaperSurrogate
from workers.surrogate.tangent import TangentSurrogate, normalising_pose


class Engine:
    """Everything a worker process loads once: the bundle and what follows from the template alone."""

    def __init__(self, bundle: Bundle | None = None) -> None:
        self.bundle = bundle or Bundle()

    @cached_property
    def template(self) -> Template:
        """The reference mesh."""
        return self.bundle.template

    @cached_property
    def morpher(self) -> MeshMorpher:
        """Fits the template to surfaces."""
        return MeshMorpher(self.template, self.bundle.shape_model)

    @cached_property
    def finder(self) -> VertebraFinder:
        """Finds and segments the vertebra.

        Raises
        ------
        MaskRequired
            The bundle has no networks for it.
        """
        if not self.bundle.has(*NETWORKS):
            raise MaskRequired(
                "This server's model bundle cannot segment: send a mask of the vertebra.",
                expected="a file part `mask`",
                got="a CT alone",
            )
        locator, segmenter, landmarks = (self.bundle.session(name, keep_memory=False) for name in NETWORKS)
        return VertebraFinder(Locator(locator), Segmenter(segmenter), LandmarkNetwork(landmarks))

    @cached_property
    def plan(self) -> Plan:
        """Sparsity patterns and multigrid levels of the template's stiffness matrix."""
        return Plan(self.template.tets, len(self.template.nodes), self.template.fixed_nodes)

    @cached_property
    def tangent(self) -> TangentSurrogate:
        """The surrogate that is shipped because it wins."""
        n = self.template.n_surface
        return TangentSurrogate(self.bundle.tangent, self.template, self.morpher.basis[:n])

    @cached_property
    def paper(self) -> PaperSurrogate:
        """The paper's own surrogate."""
        return PaperSurrogate(self.bundle, self.template)

    def predict(self, points: np.ndarray, load_newton: float, surrogate: Surrogate) -> StressField:
        """Predict the field of a subject's mesh (n, 3) mm with the surrogate of that name."""
        chosen: TangentSurrogate | PaperSurrogate = self.paper if surrogate == "paper" else self.tangent
        return chosen.predict(points, load_newton)

    def coefficients(self, points: np.ndarray) -> np.ndarray:
        """Return the shape coefficients (m, 3) of a subject's mesh (n, 3) mm."""
        return self.tangent.coefficients(normalising_pose(points, self.template).apply_inverse(points))

    def residual(self, points: np.ndarray, predicted: StressField, load_newton: float) -> float | None:
        """Return how far a prediction is out of balance (`equilibrium_residual`); None where it has no tensor."""
        if predicted.tensor is None:
            return None
        force = endplate_traction(points, self.template.superior, self.template.inferior, load_newton)
        return equilibrium_residual(points, predicted.tensor, force, self.plan.pattern, self.plan.fixed)

    def assess(self, points: np.ndarray, predicted: StressField, params: JobParams) -> Prediction:
        """Say how far a prediction can be trusted."""
        residual = self.residual(points, predicted, params.load_newton)
        calibration = Calibration(**self.bundle.manifest["calibration"][params.surrogate])
        return assess(points, self.template, params.surrogate, calibration, self.coefficients(points), residual)

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
    points = engine().morpher.morph(surface, 0.0).points
    points[-1] += 2.0  # tangle one internal node, so that repair has something to do
    engine().morpher.repair(points)
    engine().solve(points, REFERENCE_LOAD_NEWTON)
    if engine().bundle.has(*NETWORKS):
        _ = engine().finder
    for params in (JobParams(surrogate="tangent"), JobParams(surrogate="paper")):
        engine().assess(points, engine().predict(points, params.load_newton, params.surrogate), params)
