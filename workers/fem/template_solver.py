"""Solves the meshes of one template's topology: what depends on the template alone is made once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.coarse_mesh import CoarseMesh
from models.compiled import compiled
from models.template import Template
from models.types import Floats, Singles
from workers.fem.coarse_space import CoarseSpace
from workers.fem.edge_assembly import EdgePattern, assemble_edges
from workers.fem.energy_cg import Iterate, solve_to_energy_error
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.material import Material
from workers.fem.slabs import SlabOrder
from workers.fem.solve import Solution, check_volumes
from workers.fem.sparsity import SparsityPattern
from workers.fem.stress_recovery import recover_field
from workers.fem.two_level import TwoLevel

STRESS_TOLERANCE = 5e-5
"""Bound of the relative error in the energy norm of a solution. In a trial on all vertebrae and generated shapes at
hand the von Mises stress was then within 1e-4 (relative L2) of the converged one, mostly within 1e-5."""


@compiled("(f8[:,::1], f4[:,:,::1], f4[::1], i8[::1], i8[::1])", parallel=False)
def _pull(stress, gradient, volume, tets, corners):  # type: ignore[no-untyped-def]
    """Return the sum (3,), N, of what the stresses (m, 6) of these elements pull at these corners of theirs."""
    out = np.zeros(3)
    for k in range(len(tets)):
        t = tets[k]
        xx, yy, zz, xy, yz, zx = stress[t]
        x, y, z = gradient[t, corners[k]]
        v = np.float64(volume[t])
        out[0] += v * (xx * x + xy * y + zx * z)
        out[1] += v * (xy * x + yy * y + yz * z)
        out[2] += v * (zx * x + yz * y + zz * z)
    return out


class TemplateSolver:
    """Solver with the two-level preconditioner.

    Parameters
    ----------
    template
        The mesh.
    coarse
        The template's coarse mesh.
    pattern
        Of the template's mesh, template order.
    """

    def __init__(self, template: Template, coarse: CoarseMesh, pattern: SparsityPattern) -> None:
        self.tets, self.incidence = pattern.tets, pattern.incidence
        self.order = SlabOrder.of(pattern.indptr, pattern.indices)
        ordered = SparsityPattern.of(self.order.rank[self.tets], len(template.nodes))
        self.edges = EdgePattern.of(ordered)
        self.fixed = np.zeros(len(template.nodes), np.bool_)
        self.fixed[self.order.rank[template.fixed_nodes]] = True
        self.space = CoarseSpace(coarse, template, self.order, self.edges)
        self.clamped = np.nonzero(self.fixed[ordered.tets])

    def solve(
        self,
        points: Floats,
        force: Floats,
        tolerance: float,
        start: Floats | None = None,
        material: Material | None = None,
    ) -> Solution:
        """Solve the linear-elastic problem of a mesh whose inferior endplate is clamped.

        Parameters
        ----------
        points
            (n, 3) float64, mm, any right-handed frame.
        force
            (n, 3) float64, N, nodal forces.
        tolerance
            Bound of the relative error in the energy norm to stop at.
        start
            (n, 3) float64, mm: a displacement near the solution.
        material
            Of the template's elements; the paper's bone by default.

        Raises
        ------
        DistortedMesh
            An element has no positive volume.
        NotConverged
            The bound did not fall below `tolerance`.
        """
        return self.solve_each(points, [force], tolerance, start, material)[0]

    def solve_each(
        self,
        points: Floats,
        forces: Sequence[Floats],
        tolerance: float,
        start: Floats | None = None,
        material: Material | None = None,
    ) -> list[Solution]:
        """Solve for several loads (n, 3), N, of one mesh: matrix and preconditioner are made once. See `solve`."""
        elements = shape_gradients(points, self.tets, np.float32)
        check_volumes(elements[1])
        material = material or Material()
        precondition = self.precondition(points, elements, material)
        solutions = []
        for force in forces:
            iterate = self.iterate(precondition, force, tolerance, start)
            displacement = iterate.displacement[self.order.rank]
            stress = element_stress(displacement, elements[0], self.tets, material)
            field = recover_field(stress, self.incidence, displacement)
            reaction = self._reaction(stress, elements, force)
            solutions.append(Solution(field, reaction, iterate.cycles, iterate.energy_error))
        return solutions

    def precondition(self, points: Floats, elements: tuple[Singles, Singles], material: Material) -> TwoLevel:
        """Return the preconditioner, and with it the matrix, of elements with these gradients and volumes."""
        blocks, inverse = assemble_edges(self.order, self.edges, elements, self.fixed, material)
        return TwoLevel(self.space, self.order, blocks, inverse, self.space.positions(points))

    def iterate(self, precondition: TwoLevel, force: Floats, tolerance: float, start: Floats | None) -> Iterate:
        """Return the displacement, in the order of the rows."""
        right = np.where(self.fixed[:, None], 0.0, force[self.order.nodes])
        first = None if start is None else np.where(self.fixed[:, None], 0.0, start[self.order.nodes])
        return solve_to_energy_error(precondition, right, tolerance, first)

    def _reaction(self, stress: Floats, elements: tuple[Singles, Singles], force: Floats) -> Floats:
        """Return the sum (3,), N, of the forces on the clamped nodes: what their elements pull, less the load."""
        pull: Floats = _pull(stress, *elements, *self.clamped)
        return pull - force[self.fixed[self.order.rank]].sum(axis=0)
