"""Preconditioned conjugate gradients for the displacement of a mesh with Dirichlet nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from models.types import Floats
from workers.fem.block_sparse import multiply_blocks
from workers.fem.errors import NotConverged
from workers.fem.multigrid import Multigrid
from workers.fem.solve_plan import SolvePlan

TOLERANCE = 1e-9
"""Relative residual at which conjugate gradients stop: reactions balance the load to 1e-6 (tests)."""
MAX_ITERATIONS = 400
"""The template takes 22. A mesh that takes so many more is distorted."""


@dataclass(frozen=True)
class WarmStart:
    """What the solution of a similar problem spares the next one.

    Attributes
    ----------
    displacement
        (n, 3) float64, mm: where the iteration starts; zero at the Dirichlet nodes.
    largest_eigenvalues
        Of the `Multigrid` of that problem, so that they need no power iteration.
    """

    displacement: Floats
    largest_eigenvalues: list[float]


def solve_displacement(
    stiffness: Any,
    plan: SolvePlan,
    points: Floats,
    force: Floats,
    tolerance: float = TOLERANCE,
    start: WarmStart | None = None,
) -> tuple[Floats, int]:
    """Solve K u = f for u that vanishes at the Dirichlet nodes, preconditioned by multigrid.

    Parameters
    ----------
    stiffness
        K, from `assemble_stiffness`, before the Dirichlet conditions.
    plan
        Of the mesh.
    points
        (n, 3) float64, mm; give the rigid-body modes.
    force
        (n, 3) float64, N; rows of Dirichlet nodes are ignored.
    tolerance
        Relative residual to stop at.
    start
        From a similar problem; by default the iteration starts from zero.

    Returns
    -------
    Displacement (n, 3), mm, zero at the Dirichlet nodes, and the number of iterations.

    Raises
    ------
    NotConverged
        The residual did not fall below `tolerance` in `MAX_ITERATIONS`.
    """
    blocks = plan.impose_dirichlet(stiffness.data)
    right = np.where(plan.fixed[:, None], 0.0, force)
    iterations = 0

    def multiply(x: Floats) -> Floats:
        out = np.empty((len(points), 3))
        multiply_blocks(blocks, plan.pattern.indptr, plan.pattern.indices, x.reshape(-1, 3), out)
        return out.ravel()

    def count(_: Floats) -> None:
        nonlocal iterations
        iterations += 1

    preconditioner = Multigrid(plan.hierarchy, blocks, points, None if start is None else start.largest_eigenvalues)
    solution, failed = cg(
        LinearOperator(stiffness.shape, matvec=multiply, dtype=np.float64),
        right.ravel(),
        x0=None if start is None else start.displacement.ravel(),
        rtol=tolerance,
        maxiter=MAX_ITERATIONS,
        M=LinearOperator(stiffness.shape, matvec=preconditioner, dtype=np.float64),
        callback=count,
    )
    if failed or not np.isfinite(solution).all():
        raise NotConverged(
            "The linear solver did not converge; the mesh is probably distorted.",
            expected=f"relative residual <= {tolerance:g} within {MAX_ITERATIONS} iterations",
            got=f"not reached after {iterations} iterations",
        )
    return solution.reshape(-1, 3), iterations
