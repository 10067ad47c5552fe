"""Solve K u = f on a clamped mesh and recover the stress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from app.contract.errors import SolveFailed
from models.types import Floats, Ints
from workers.fem.assembly import Material, Pattern, average_at_nodes, element_stress, shape_gradients, stiffness
from workers.fem.field import StressField
from workers.fem.hierarchy import COARSEST_NODES, Hierarchy
from workers.fem.multigrid import Multigrid
from workers.fem.multigrid_kernels import block_multiply
from workers.fem.stress import principal_stresses, von_mises

TOLERANCE = 1e-9
"""Relative residual at which conjugate gradients stop."""
MAX_ITERATIONS = 400


class Plan:
    """All of a solve that depends on the connectivity and the clamped nodes alone; made once for a template.

    Parameters
    ----------
    tets
        (m, 4) int32.
    n_nodes
        Number of nodes n.
    fixed_nodes
        Ids of the clamped nodes.
    coarsest
        Most nodes of the multigrid level that is solved directly.
    """

    def __init__(self, tets: Ints, n_nodes: int, fixed_nodes: Ints, coarsest: int = COARSEST_NODES) -> None:
        self.pattern = Pattern.of(tets, n_nodes)
        self.fixed = np.zeros(n_nodes, np.bool_)
        self.fixed[fixed_nodes] = True
        self.hierarchy = Hierarchy(self.pattern.indptr, self.pattern.indices, self.fixed, coarsest)
        rows = np.repeat(np.arange(n_nodes, dtype=np.int32), np.diff(self.pattern.indptr))
        touched = self.fixed[rows] | self.fixed[self.pattern.indices]
        diagonal = rows == self.pattern.indices
        self.clamped_blocks = np.flatnonzero(touched)
        self.clamped_diagonal = np.flatnonzero(touched & diagonal)
        self.free_diagonal = np.flatnonzero(~touched & diagonal)

    def clamp(self, data: Floats) -> Floats:
        """Return the stiffness blocks with clamped rows and columns replaced by a scaled identity."""
        data = data.copy()
        scale = float(np.median(data[self.free_diagonal, 0, 0]))
        data[self.clamped_blocks] = 0.0
        data[self.clamped_diagonal] = scale * np.eye(3)
        return data


@dataclass(frozen=True)
class Solution:
    """Displacement, stress and the evidence that the solve is right.

    Attributes
    ----------
    field
        Nodal stress and displacement.
    reaction
        (3,) N, sum of the reaction forces on the clamped nodes.
    iterations
        Conjugate-gradient iterations.
    """

    field: StressField
    reaction: Floats
    iterations: int


def solve(
    points: Floats, plan: Plan, force: Floats, material: Material | None = None, prescribed: Floats | None = None
) -> Solution:
    """Solve the clamped problem by conjugate gradients with a multigrid preconditioner.

    Parameters
    ----------
    points
        (n, 3) float64, mm, any right-handed frame.
    plan
        The mesh's connectivity and clamped nodes.
    force
        (n, 3) float64, N, nodal forces.
    material
        The paper's bone by default.
    prescribed
        (n, 3) float64, mm: displacement of the clamped nodes (other rows are ignored); zero by default.

    Raises
    ------
    SolveFailed
        An element has no positive volume, or the residual did not fall below `TOLERANCE` in `MAX_ITERATIONS`.
    """
    material = material or Material()
    gradient, volume = shape_gradients(points, plan.pattern.tets)
    if not volume.min() > 0.0:
        raise SolveFailed(
            "The mesh has inverted or flat elements.",
            expected="every element volume > 0 mm^3",
            got=f"{int((~(volume > 0.0)).sum())} elements with volume <= 0",
        )
    matrix = stiffness(plan.pattern, gradient, volume, material)
    start = np.zeros_like(points) if prescribed is None else np.where(plan.fixed[:, None], prescribed, 0.0)
    right = force - (matrix @ start.ravel()).reshape(-1, 3)
    displacement, iterations = solve_clamped(matrix, plan, points, right)
    displacement += start
    reaction = ((matrix @ displacement.ravel()).reshape(-1, 3) - force)[plan.fixed].sum(axis=0)
    stress = element_stress(displacement, gradient, plan.pattern.tets, material)
    return Solution(recover(stress, plan, displacement), reaction, iterations)


def recover(stress: Floats, plan: Plan, displacement: Floats | None) -> StressField:
    """Return the nodal field of element stresses (m, 6), MPa.

    A node takes the plain average of the elements around it, as ANSYS (the paper's solver) and CalculiX do.
    """
    tensor = average_at_nodes(stress, np.ones(len(stress)), plan.pattern.incidence)
    return StressField(tensor, principal_stresses(tensor), von_mises(tensor), displacement)


def solve_clamped(
    matrix: Any,
    plan: Plan,
    points: Floats,
    right: Floats,
    tolerance: float = TOLERANCE,
    start: Floats | None = None,
    eigenvalues: Sequence[float] | None = None,
) -> tuple[Floats, int]:
    """Solve with the clamped rows and columns replaced by a scaled identity.

    Parameters
    ----------
    matrix
        From `stiffness`.
    plan
        The mesh's connectivity and clamped nodes.
    points
        (n, 3) float64, mm; give the rigid-body motions.
    right
        (n, 3) float64, N; clamped rows are ignored.
    tolerance
        Relative residual to stop at.
    start
        (n, 3) displacement to start from, mm, zero where clamped.
    eigenvalues
        From the `Multigrid` of a similar problem.

    Returns
    -------
    Displacement (n, 3), mm, zero where clamped, and the number of iterations.

    Raises
    ------
    SolveFailed
        The residual did not fall below `tolerance` in `MAX_ITERATIONS`.
    """
    data = plan.clamp(matrix.data)
    clamped = type(matrix)((data, matrix.indices, matrix.indptr), shape=matrix.shape)
    right = np.where(plan.fixed[:, None], 0.0, right)
    count = 0

    def multiply(x: Floats) -> Floats:
        out = np.empty((len(points), 3))
        block_multiply(data, plan.pattern.indptr, plan.pattern.indices, x.reshape(-1, 3), out)
        return out.ravel()

    def tick(_: Floats) -> None:
        nonlocal count
        count += 1

    preconditioner = Multigrid(plan.hierarchy, clamped, points, eigenvalues)
    size = matrix.shape
    solution, failed = cg(
        LinearOperator(size, matvec=multiply, dtype=np.float64),
        right.ravel(),
        x0=None if start is None else start.ravel(),
        rtol=tolerance,
        maxiter=MAX_ITERATIONS,
        M=LinearOperator(size, matvec=preconditioner, dtype=np.float64),
        callback=tick,
    )
    if failed or not np.isfinite(solution).all():
        raise SolveFailed(
            "The linear solver did not converge; the mesh is probably distorted.",
            expected=f"relative residual <= {tolerance:g} within {MAX_ITERATIONS} iterations",
            got=f"not reached after {count} iterations",
        )
    return solution.reshape(-1, 3), count
