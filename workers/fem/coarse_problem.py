"""A small finite-element problem on the template's coarse mesh, with the geometry of the subject's fine mesh.

The coarse mesh itself is never deformed, so its tetrahedra cannot turn over. The subject is a map of the template, and
elasticity is pulled back by that map. On each coarse tetrahedron the deformation gradient F comes from the fine
tetrahedron at its centroid. F turns the shape function gradients g into g F^-1 and the volume V into V det F.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from models.coarse_mesh import CoarseMesh
from models.compiled import compiled
from models.template import Template
from models.types import Floats, Integers
from workers.fem.assembly import assemble_stiffness
from workers.fem.conjugate_gradients import TOLERANCE, WarmStart, solve_displacement
from workers.fem.errors import NotConverged
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.material import Material
from workers.fem.multigrid import Multigrid
from workers.fem.solve_plan import SolvePlan
from workers.fem.stress_recovery import average_at_nodes

COARSE_DIRECT_NODES = 80
"""Most nodes of the level that is solved directly: 3,921 nodes have levels of 214 and 7, and the 7 are cheap."""
EIGENVALUE_MARGIN = 1.2
"""Factor on the eigenvalues of the reference shape, so that they bound those of other shapes too."""
COARSE_TOLERANCE = 5e-3
"""Relative residual of a subject's solve; a smaller one does not make the surrogate more accurate."""


@compiled("(f8[:,::1], i4[:,::1], f8[:,:,::1], f8[:,:,::1], f8[::1])")
def _pull_back(points, corners, inverse_edges, gradient, volume):  # type: ignore[no-untyped-def]
    """Shape function gradients (m, 4, 3) and volumes (m,) of the coarse elements, mapped by F of their host elements.

    `corners` (m, 4) are the fine nodes of the host, `inverse_edges` (m, 3, 3) the inverse of its undeformed edges. `co`
    is the cofactor matrix of F, so that co / det = F^-T.
    """
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


@compiled("(f8[:,::1], i4[:,::1], f8[:,::1])")
def _interpolate(values, corners, weights):  # type: ignore[no-untyped-def]
    """Return (n, c): the values (k, c) at the corners (n, 4) of each node, by their weights (n, 4)."""
    out = np.zeros((len(corners), values.shape[1]))
    for i in nb.prange(len(corners)):
        for a in range(4):
            for c in range(values.shape[1]):
                out[i, c] += weights[i, a] * values[corners[i, a], c]
    return out


class CoarseProblem:
    """Solves the coarse problem of any subject; what depends on the template alone is made once.

    Parameters
    ----------
    mesh
        From the bundle: k nodes, e tetrahedra.
    template
        The fine mesh it belongs to: n nodes.

    Attributes
    ----------
    fine_corners, fine_weights
        (n, 4) int32 and (n, 4) float64: the coarse nodes that each fine node is interpolated from, and their weights.
    """

    def __init__(self, mesh: CoarseMesh, template: Template) -> None:
        self.mesh = mesh
        self.plan = SolvePlan(mesh.tets, len(mesh.nodes), mesh.fixed, COARSE_DIRECT_NODES)
        self.material = Material()
        self.gradient, self.volume = shape_gradients(mesh.nodes, mesh.tets)
        self.corners = np.ascontiguousarray(template.tets[mesh.tet_host])
        v = template.nodes[self.corners]
        self.inverse_edges = np.ascontiguousarray(np.linalg.inv((v[:, 1:] - v[:, :1]).transpose(0, 2, 1)))
        self.node_corners, self.node_weights = template.tets[mesh.node_host], mesh.node_weights(template)
        self.fine_corners = np.ascontiguousarray(mesh.tets[mesh.host])
        self.fine_weights = mesh.fine_weights(template)
        self.start: WarmStart | None = None

    def set_reference(self, points: Floats, loaded: Integers, force: Floats) -> None:
        """Solve one shape, the template, and keep its displacement and eigenvalues as the start of all others.

        Parameters and errors are those of `solve`.
        """
        stiffness, positions, right, _ = self._assemble(points, loaded, force)
        displacement, _ = solve_displacement(stiffness, self.plan, positions, right, TOLERANCE)
        blocks = self.plan.impose_dirichlet(stiffness.data)
        estimated = Multigrid(self.plan.hierarchy, blocks, positions).largest_eigenvalues
        self.start = WarmStart(displacement, [EIGENVALUE_MARGIN * value for value in estimated])

    def stress(self, points: Floats, loaded: Integers, force: Floats, tolerance: float = COARSE_TOLERANCE) -> Floats:
        """Return the nodal stress (k, 6), MPa, on the coarse mesh; parameters and errors are those of `solve`."""
        return self.solve(points, loaded, force, tolerance)[0]

    def solve(
        self, points: Floats, loaded: Integers, force: Floats, tolerance: float = COARSE_TOLERANCE
    ) -> tuple[Floats, Floats]:
        """Return the nodal stress (k, 6), MPa, and the displacement (k, 3), mm, on the coarse mesh.

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
        NotConverged
            Conjugate gradients did not reach `tolerance`.
        """
        stiffness, positions, right, gradient = self._assemble(points, loaded, force)
        try:
            displacement, _ = solve_displacement(stiffness, self.plan, positions, right, tolerance, self.start)
        except NotConverged:  # the shape is so far from the reference that its eigenvalues do not bound this one's
            displacement, _ = solve_displacement(stiffness, self.plan, positions, right, tolerance)
        stress = element_stress(displacement, gradient, self.mesh.tets, self.material)
        return average_at_nodes(stress, np.ones(len(stress)), self.plan.pattern.incidence), displacement

    def interpolate(self, values: Floats) -> Floats:
        """Return coarse nodal values (k, c) at the fine nodes (n, c)."""
        out: Floats = _interpolate(values, self.fine_corners, self.fine_weights)
        return out

    def _assemble(self, points: Floats, loaded: Integers, force: Floats) -> tuple[Any, Floats, Floats, Floats]:
        """Return stiffness matrix, coarse node positions (k, 3) mm, their forces (k, 3) N and gradients (e, 4, 3)."""
        gradient, volume = _pull_back(points, self.corners, self.inverse_edges, self.gradient, self.volume)
        stiffness = assemble_stiffness(self.plan.pattern, gradient, volume, self.material)
        positions = np.einsum("kc,kcd->kd", self.node_weights, points[self.node_corners])
        right = np.zeros_like(positions)
        for corner in range(4):
            np.add.at(right, self.fine_corners[loaded, corner], self.fine_weights[loaded, corner, None] * force)
        return stiffness, positions, right, gradient
