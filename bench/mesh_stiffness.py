"""The stiffness of a body under the paper's traction or between plates, on linear and on quadratic tetrahedra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from bench.quadratic_tetrahedra import QuadraticElements
from bench.refined_mesh import Body
from models.types import Floats, Ints
from workers.fem.assembly import assemble_stiffness
from workers.fem.block_sparse import multiply_blocks
from workers.fem.linear_tetrahedra import shape_gradients
from workers.fem.loads import REFERENCE_LOAD_NEWTON, cranio_caudal_axis, endplate_traction
from workers.fem.material import Material
from workers.fem.multigrid import Multigrid
from workers.fem.solve import check_volumes
from workers.fem.solve_plan import SolvePlan
from workers.geometry.surface import Surface

TOLERANCE, MOST_ITERATIONS = 1e-5, 1000
"""Relative residual; the stiffness, an energy, is then right to about its square."""
Case = Literal["traction", "plates"]
CASES: tuple[Case, ...] = ("traction", "plates")


class CompressedBody:
    """A body whose inferior end is clamped, under a load case; what its connectivity alone makes is made once.

    Parameters
    ----------
    body
        Of linear tetrahedra.
    case
        An even traction on the superior end, or a plate that sticks to it.
    """

    def __init__(self, body: Body, case: Case) -> None:
        self.body, self.case = body, case
        self.upper, lower = np.unique(body.superior), np.unique(body.inferior)
        held = lower if case == "traction" else np.union1d(self.upper, lower)
        self.plan = SolvePlan(body.tets, len(body.points), held.astype(np.int32))

    def stiffness(self, points: Floats, young_mpa: Floats, ten: tuple[Ints, Floats] | None = None) -> float:
        """Return the load over the mean displacement of the superior end along the axis, N/mm.

        Parameters
        ----------
        points, young_mpa
            (n, 3) mm and (m,) MPa.
        ten
            Elements with ten nodes whose eighths are this mesh, (e, 10), and their moduli (e,), MPa. The stiffness is
            then that of quadratic elements; the linear ones make the preconditioner.
        """
        body, pattern, material = self.body.at(points), self.plan.pattern, Material.of_elements(young_mpa)
        gradient, volume = shape_gradients(points, body.tets)
        check_volumes(volume)
        blocks = assemble_stiffness(pattern, gradient, volume, material).data
        imposed = self.plan.impose_dirichlet(blocks).astype(np.float32)
        precondition = Multigrid(self.plan.hierarchy, imposed, points)

        def linear(x: Floats) -> Floats:
            out = np.empty_like(x)
            multiply_blocks(blocks, pattern.indptr, pattern.indices, x, out)
            return out

        forces: Callable[[Floats], Floats] = linear
        if ten is None:
            traction = endplate_traction(points, body.superior, body.inferior, REFERENCE_LOAD_NEWTON)
        else:
            forces = QuadraticElements(points, ten[0], Material.of_elements(ten[1])).forces
            traction = quadratic_traction(body)
        return self._solve(forces, precondition, traction, cranio_caudal_axis(points, body.superior, body.inferior))

    def _solve(
        self,
        forces: Callable[[Floats], Floats],
        precondition: Callable[[Floats], Floats],
        traction: Floats,
        axis: Floats,
    ) -> float:
        """Return the stiffness; `forces` are what hold a displacement, both (n, 3)."""
        fixed, moved = self.plan.fixed[:, None], np.zeros_like(traction)
        if self.case == "plates":
            traction, moved[self.upper] = np.zeros_like(traction), -axis
        size = traction.size

        def multiply(x: Floats) -> Floats:
            return np.where(fixed, 0.0, forces(np.where(fixed, 0.0, x.reshape(-1, 3)))).ravel()

        right = np.where(fixed, 0.0, traction - forces(moved)).ravel()
        matrix = LinearOperator((size, size), multiply, dtype=np.float64)
        inverse = LinearOperator((size, size), precondition, dtype=np.float64)
        found, failed = cg(matrix, right, rtol=TOLERANCE, maxiter=MOST_ITERATIONS, M=inverse)
        if failed:
            raise RuntimeError("the refined mesh did not converge")
        displacement = moved + np.where(fixed, 0.0, found.reshape(-1, 3))
        if self.case == "plates":
            return float(np.vdot(displacement, forces(displacement)))
        return REFERENCE_LOAD_NEWTON**2 / float(np.vdot(traction, displacement))


def quadratic_traction(body: Body) -> Floats:
    """Return the nodal forces (n, 3), N, of an even traction on quadratic triangles, whose fourths the body has.

    The middles of the edges bear a third of the triangle each, its corners nothing.
    """
    middles = np.ascontiguousarray(body.superior.reshape(-1, 4, 3)[:, 3])
    areas = 4.0 * Surface(body.points, middles).areas
    share = np.bincount(middles.ravel(), np.repeat(areas / 3.0, 3), minlength=len(body.points))
    axis = cranio_caudal_axis(body.points, body.superior, body.inferior)
    return np.outer(share / areas.sum(), -REFERENCE_LOAD_NEWTON * axis)
