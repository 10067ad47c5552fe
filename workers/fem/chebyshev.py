"""Chebyshev smoother of a multigrid level."""

from __future__ import annotations

import numpy as np

from models.types import Ints, Reals, Singles
from workers.fem.block_sparse import multiply_blocks, multiply_diagonal

DEGREE = 2
"""Degree of the Chebyshev polynomial: matrix products a smoothing step. With degrees 1 to 4 a solve of the template
takes 34, 22, 19 and 18 iterations, and above 2 more time."""
SMOOTHING_RANGE = 10.0
"""The smoother damps eigenvalues in [largest / SMOOTHING_RANGE, largest]; the coarse levels correct the others. Ranges
of 4, 10, 20 and 30 take 24, 22, 21 and 23 iterations on the template."""
POWER_ITERATIONS = 20
"""10, 20 and 40 find eigenvalues of 1.97, 2.09 and 2.23 on the template, and solves take 22, 22 and 23 iterations."""
POWER_MARGIN = 1.1
"""Factor on the result of the power iteration, which approaches the largest eigenvalue from below."""


class ChebyshevSmoother:
    """Chebyshev iteration on D^-1 A, in float32, where D is the block diagonal of A.

    Parameters
    ----------
    blocks, indptr, indices
        A: blocks (nnz, b, b) over compressed rows.
    inverse
        (n, b, b), blocks of D^-1.
    largest_eigenvalue
        Of D^-1 A; estimated by power iteration where None.
    """

    def __init__(
        self, blocks: Reals, indptr: Ints, indices: Ints, inverse: Reals, largest_eigenvalue: float | None
    ) -> None:
        self.blocks, self.indptr, self.indices = blocks.astype(np.float32, copy=False), indptr, indices
        self.inverse = inverse.astype(np.float32, copy=False)
        self.largest_eigenvalue = self._power_iteration() if largest_eigenvalue is None else largest_eigenvalue

    def _power_iteration(self) -> float:
        """Return the largest eigenvalue of D^-1 A, with a margin."""
        x = np.random.default_rng(0).standard_normal((len(self.inverse), self.inverse.shape[1])).astype(np.float32)
        y, z = np.empty_like(x), np.empty_like(x)
        value = 1.0
        for _ in range(POWER_ITERATIONS):
            x /= np.linalg.norm(x)
            multiply_blocks(self.blocks, self.indptr, self.indices, x, y)
            multiply_diagonal(self.inverse, y, z)
            value = float(np.linalg.norm(z))
            x, z = z, x
        return POWER_MARGIN * value

    def residual(self, b: Singles, x: Singles) -> Singles:
        """Return b - A x, (n, b) float32."""
        out = np.empty_like(b)
        multiply_blocks(self.blocks, self.indptr, self.indices, x, out)
        np.subtract(b, out, out=out)
        return out

    def smooth(self, b: Singles, x: Singles | None) -> Singles:
        """Return x (n, b) float32 after `DEGREE` steps towards A x = b, from x; from zero where it is None."""
        theta = 0.5 * self.largest_eigenvalue * (1.0 + 1.0 / SMOOTHING_RANGE)
        delta = 0.5 * self.largest_eigenvalue * (1.0 - 1.0 / SMOOTHING_RANGE)
        sigma = theta / delta
        rho = 1.0 / sigma
        step = np.empty_like(b)
        multiply_diagonal(self.inverse, b if x is None else self.residual(b, x), step)
        if x is None:
            x = np.zeros_like(b)
        step *= np.float32(1.0 / theta)
        x += step
        correction = np.empty_like(b)
        for _ in range(DEGREE - 1):
            multiply_diagonal(self.inverse, self.residual(b, x), correction)
            rho_new = 1.0 / (2.0 * sigma - rho)
            step *= np.float32(rho_new * rho)
            step += np.float32(2.0 * rho_new / delta) * correction
            x += step
            rho = rho_new
        return x
