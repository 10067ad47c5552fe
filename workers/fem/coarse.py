"""A small finite-element problem on the template's coarse mesh, with the geometry of the subject's fine one.

The coarse mesh itself is never deformed, so its tetrahedra cannot turn over. The subject is a map of the template, and
elasticity is pulled back by it: on each coarse tetrahedron the deformation gradient F of the fine tetrahedron at its
centroid turns the gradients of the shape functions into g F^-1 and the volume into V det F.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from app.contract.errors import SolveFailed
from models.coarse_mesh import CoarseMesh
from models.template import Template
from models.types import Floats
from workers.fem.assembly import Material, average_at_nodes, element_stress, shape_gradients, stiffness
from workers.fem.multigrid import Multigrid
from workers.fem.solve import Plan, solve_clamped

COARSEST_NODES = 80
EIGENVALUE_MARGIN = 1.2
LEARNING_TOLERANCE = 1e-9
TOLERANCE = 5e-3
"""Relative residual; a converged one gives the same accuracy."""


@nb.njit(parallel=True, cache=True)
def _pull_back(points, corners, inverse_edges, gradient, volume):  # type: ignore[no-untyped-def]
    m = len(corners)
    g, v = np.empty((m, 4, 3)), np.empty(m)
    for t in nb.prange(m):
        f = np.zeros((3, 3))
        o = points[corners[t, 0]]
        for k in range(3):
            for r in range(3):
                e = points[corners[t, k + 1], r] - o[r]
                for c in range(3):
                    f[r, c] += e * inverse_edges[t, k, c]
        co = np.empty((3, 3))
        for r in range(3):
            r1, r2 = (r + 1) % 3, (r + 2) % 3
            for c in range(3):
                c1, c2 = (c + 1) % 3, (c + 2) % 3
                co[r, c] = f[r1, c1] * f[r2, c2] - f[r1, c2] * f[r2, c1]
        det = f[0, 0] * co[0, 0] + f[0, 1] * co[0, 1] + f[0, 2] * co[0, 2]
        v[t] = volume[t] * det
        for a in range(4):
            for r in range(3):
                g[t, a, r] = (
                    co[r, 0] * gradient[t, a, 0] + co[r, 1] * gradient[t, a, 1] + co[r, 2] * gradient[t, a, 2]
                ) / det
    return g, v


class CoarseProblem:
    """Solves the coarse problem of any subject; what depends on the template alone is made once.

    Parameters
    ----------
    mesh
        From the bundle.
    template
        The fine mesh it belongs to.
    """

    def __init__(self, mesh: CoarseMesh, template: Template) -> None:
        self.mesh = mesh
        self.plan = Plan(mesh.tets, len(mesh.nodes), mesh.fixed, COARSEST_NODES)
        self.material = Material()
        self.gradient, self.volume = shape_gradients(mesh.nodes, mesh.tets)
        self.corners = np.ascontiguousarray(template.tets[mesh.tet_host])
        v = template.nodes[self.corners]
        self.inverse_edges = np.ascontiguousarray(np.linalg.inv((v[:, 1:] - v[:, :1]).transpose(0, 2, 1)))
        self.node_corners, self.node_weights = template.tets[mesh.node_host], mesh.node_weights(template)
        self.fine_corners = np.ascontiguousarray(mesh.tets[mesh.host])
        self.fine_weights = mesh.fine_weights(template)
        self.ones = np.ones(len(mesh.tets))
        self.start = np.zeros_like(mesh.nodes)
        self.eigenvalues: list[float] | None = None

    def learn(self, points: Floats, loaded: NDArray[np.integer], force: Floats) -> None:
        """Keep the displacement and the eigenvalues of one subject, the template, as the start of all others.

        Parameters are those of `stress`; raises `SolveFailed` as it does.
        """
        matrix, places, right, _ = self._system(points, loaded, force)
        self.start, _ = solve_clamped(matrix, self.plan, places, right, LEARNING_TOLERANCE)
        clamped = type(matrix)((self.plan.clamp(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
        self.eigenvalues = [EIGENVALUE_MARGIN * v for v in Multigrid(self.plan.hierarchy, clamped, places).eigenvalues]

    def _system(self, points: Floats, loaded: NDArray[np.integer], force: Floats) -> tuple[Any, Floats, Floats, Floats]:
        """Return the stiffness matrix, the places of the coarse nodes, the forces on them, and the gradients."""
        gradient, volume = _pull_back(points, self.corners, self.inverse_edges, self.gradient, self.volume)
        matrix = stiffness(self.plan.pattern, gradient, volume, self.material)
        places = np.einsum("kc,kcd->kd", self.node_weights, points[self.node_corners])
        right = np.zeros_like(places)
        for corner in range(4):
            np.add.at(right, self.fine_corners[loaded, corner], self.fine_weights[loaded, corner, None] * force)
        return matrix, places, right, gradient

    def stress(
        self, points: Floats, loaded: NDArray[np.integer], force: Floats, tolerance: float = TOLERANCE
    ) -> Floats:
        """Return the nodal stress (k, 6), MPa, on the coarse mesh.

        Parameters
        ----------
        points
            (n, 3) float64, mm, the subject's fine mesh; every tetrahedron has positive volume.
        loaded, force
            Ids (l,) of the fine nodes that carry a force, and the forces (l, 3), N.
        tolerance
            Relative residual to stop at.

        Raises
        ------
        SolveFailed
            The iteration did not converge.
        """
        matrix, places, right, gradient = self._system(points, loaded, force)
        try:
            displacement, _ = solve_clamped(matrix, self.plan, places, right, tolerance, self.start, self.eigenvalues)
        except SolveFailed:  # a shape so far from the template that its eigenvalues are of no use
            displacement, _ = solve_clamped(matrix, self.plan, places, right, tolerance)
        stress = element_stress(displacement, gradient, self.mesh.tets, self.material)
        return average_at_nodes(stress, self.ones, self.plan.pattern.incidence)
