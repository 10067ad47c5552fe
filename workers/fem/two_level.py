"""Two-level preconditioner: block Gauss-Seidel on the fine mesh, and a coarse problem for what is smooth.

This is `workers.fem.multigrid` with another first step. The coarse space is that of the template's coarse mesh, and no
shape changes it, so there is no prolongator to smooth. From the coarse problem on, smoothed aggregation goes on.
"""

from __future__ import annotations

import numpy as np

from models.types import Floats, Singles
from workers.fem.coarse_space import CoarseSpace
from workers.fem.galerkin import add_interpolated, restrict_to_coarse
from workers.fem.gauss_seidel import residual_of_forward, sweep_backward, sweep_forward
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
        (nnz, 3, 3) and (n, 3, 3) float32, from `assemble_edges`, in that order.
    positions
        (k, 3) float64, mm, of the coarse nodes in the subject: `CoarseSpace.positions`.
    """

    def __init__(
        self, space: CoarseSpace, order: SlabOrder, blocks: Singles, inverse: Singles, positions: Floats
    ) -> None:
        self.space, self.bounds = space, order.bounds
        self.matrix = (blocks, space.pattern.indptr, space.pattern.indices)
        self.inverse = inverse
        self.halves = ((0, order.n_even), (order.n_even, len(order.bounds) - 1))
        self.coarse = Multigrid(space.hierarchy, space.galerkin_product(blocks), positions)

    def __call__(self, b: Singles) -> Singles:
        """Return the correction (n, 3) of one cycle for a residual (n, 3)."""
        x, left = np.empty_like(b), np.empty_like(b)
        for half in self.halves:
            sweep_forward(*self.matrix, self.inverse, b, x, self.bounds, *half)
        residual_of_forward(*self.matrix, x, left)
        coarse = restrict_to_coarse(*self.space.columns, self.space.column_weights, left)
        correction = self.coarse(coarse.ravel()).astype(np.float32).reshape(-1, 3)
        add_interpolated(*self.space.rows, self.space.weights, correction, x)
        for half in reversed(self.halves):
            sweep_backward(*self.matrix, self.inverse, b, x, self.bounds, *half)
        return x
