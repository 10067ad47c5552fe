"""Two-level preconditioner: block Gauss-Seidel on the fine mesh, and a coarse problem for what is smooth.

This is `workers.fem.multigrid` with another first step. The coarse space is that of the template's coarse mesh, and no
shape changes it, so there is no prolongator to smooth. From the coarse problem on, smoothed aggregation goes on.
"""

from __future__ import annotations

import numpy as np

from models.types import Floats, Ints, Singles
from workers.fem.coarse_space import CoarseSpace
from workers.fem.galerkin import interpolate, restrict_to_coarse
from workers.fem.gauss_seidel import multiply_swept, subtract_product, sweep_backward, sweep_forward
from workers.fem.multigrid import Multigrid
from workers.fem.slabs import SlabOrder


class TwoLevel:
    """The preconditioner of one stiffness matrix A; symmetric, with the eigenvalues of M^-1 A in (0, 1].

    Parameters
    ----------
    space
        The coarse space.
    order
        Of the rows.
    blocks, inverse
        The lower triangle of A, and the inverses of its diagonal blocks, from `assemble_edges`.
    positions
        (k, 3) float64, mm, of the coarse nodes in the subject: `CoarseSpace.positions`.
    """

    def __init__(
        self, space: CoarseSpace, order: SlabOrder, blocks: Singles, inverse: Singles, positions: Floats
    ) -> None:
        self.space, self.order = space, order
        self.triangle: tuple[Singles, Ints, Ints] = (blocks, space.edges.indptr, space.edges.indices)
        self.inverse = inverse
        self.coarse = Multigrid(space.hierarchy, space.galerkin_product(blocks), positions)

    def residual(self, b: Singles, x: Singles) -> Singles:
        """Return b - A x, (n, 3)."""
        left = np.empty_like(b)
        for half in self.order.halves:
            subtract_product(*self.triangle, b, x, left, self.order.bounds, *half)
        return left

    def correct(self, b: Singles) -> tuple[Singles, Singles]:
        """Return the correction x = M^-1 b (n, 3) of one cycle for a residual, and what its last sweep changed."""
        x, left, change = (np.empty_like(b) for _ in range(3))
        for half in self.order.halves:
            sweep_forward(*self.triangle, self.inverse, b, x, left, self.order.bounds, *half)
        coarse = restrict_to_coarse(*self.space.columns, self.space.column_weights, left)
        correction = self.coarse(coarse.ravel()).astype(np.float32).reshape(-1, 3)
        interpolate(*self.space.rows, self.space.weights, correction, change)
        for half in reversed(self.order.halves):
            sweep_backward(*self.triangle, self.inverse, left, x, change, self.order.bounds, *half)
        return x, left

    def product(self, b: Singles, swept: Singles) -> Singles:
        """Return A M^-1 b (n, 3), at half the cost of a product, from what `correct` returned last."""
        out = np.empty_like(b)
        multiply_swept(*self.triangle, b, swept, out)
        return out
