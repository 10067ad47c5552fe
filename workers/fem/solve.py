"""The finite-element solution: assemble K, solve K u = f, recover the stress."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats, Reals
from workers.fem.assembly import assemble_stiffness
from workers.fem.conjugate_gradients import solve_displacement
from workers.fem.errors import DistortedMesh
from workers.fem.field import StressField
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.material import Material
from workers.fem.solve_plan import SolvePlan
from workers.fem.stress_recovery import recover_field


@dataclass(frozen=True)
class Solution:
    """A solved problem.

    Attributes
    ----------
    field
        Nodal stress and displacement.
    reaction
        (3,) float64, N: sum of the reaction forces at the Dirichlet nodes. It balances the load where the solve is
        right.
    iterations
        Iterations of conjugate gradients.
    energy_error
        Bound of the error in the energy norm, over the energy norm of the solution; 0 where the residual alone, far
        smaller than matters, ended the iteration.
    """

    field: StressField
    reaction: Floats
    iterations: int
    energy_error: float = 0.0


def solve(
    points: Floats,
    plan: SolvePlan,
    force: Floats,
    material: Material | None = None,
    prescribed: Floats | None = None,
) -> Solution:
    """Solve the linear-elastic problem of a mesh.

    Parameters
    ----------
    points
        (n, 3) float64, mm, any right-handed frame.
    plan
        Of the mesh's connectivity and Dirichlet nodes.
    force
        (n, 3) float64, N, nodal forces.
    material
        The paper's bone by default.
    prescribed
        (n, 3) float64, mm: displacement of the Dirichlet nodes (other rows are ignored); zero by default.

    Raises
    ------
    DistortedMesh
        An element has no positive volume.
    NotConverged
        Conjugate gradients did not reach their tolerance.
    """
    material = material or Material()
    gradient, volume = shape_gradients(points, plan.pattern.tets)
    check_volumes(volume)
    stiffness = assemble_stiffness(plan.pattern, gradient, volume, material)
    boundary = np.zeros_like(points) if prescribed is None else np.where(plan.fixed[:, None], prescribed, 0.0)
    right = force - (stiffness @ boundary.ravel()).reshape(-1, 3)
    displacement, iterations = solve_displacement(stiffness, plan, points, right)
    displacement += boundary
    reaction = ((stiffness @ displacement.ravel()).reshape(-1, 3) - force)[plan.fixed].sum(axis=0)
    stress = element_stress(displacement, gradient, plan.pattern.tets, material)
    return Solution(recover_field(stress, plan.pattern.incidence, displacement), reaction, iterations)


def check_volumes(volume: Reals) -> None:
    """Raise `DistortedMesh` where an element volume (m,), mm^3, is not positive."""
    if not volume.min() > 0.0:
        raise DistortedMesh(
            "The mesh has inverted or flat elements.",
            expected="every element volume > 0 mm^3",
            got=f"{int((~(volume > 0.0)).sum())} elements with volume <= 0",
        )
