"""Smoothed-aggregation multigrid for elasticity, as a preconditioner (Vaněk, Mandel & Brezina, Computing 56, 1996).

Rigid-body modes are the near null space. What depends on the connectivity alone is a `Hierarchy`, made once for a
template. `Multigrid` holds the numbers of one shape: prolongators, Galerkin products and smoothers. They are computed
in the precision of the matrix. The V-cycle runs in float32, which halves its memory traffic. That costs no iterations,
since the conjugate gradients outside it work in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from models.types import Bools, Floats, Ints, Reals, Singles
from workers.fem.block_sparse import add_transpose, invert_3x3, multiply_blocks
from workers.fem.chebyshev import ChebyshevSmoother
from workers.fem.hierarchy import CoarseningStep, Hierarchy
from workers.fem.smoothed_aggregation import (
    multiply_prolongator,
    project_product,
    restrict,
    smooth_prolongator,
    tentative_prolongator,
)

PROLONGATOR_DAMPING = 4.0 / 3.0
"""Damping of the prolongator's smoothing, over the largest eigenvalue (Vaněk, Mandel & Brezina 1996)."""
N_RIGID_MODES = 6
LEAST_STIFFNESS = 1e-10
"""Eigenvalue of a diagonal block, over its largest, below which a direction has no stiffness."""
EMPTY_DIAGONAL = 1e-12
"""Diagonal entry of the coarsest matrix, over its largest entry, below which its row is empty."""


@dataclass(frozen=True)
class _Level:
    """Smoother of one level, blocks (nnz, b, 6) float32 of its prolongator, and the step to the next level."""

    smoother: ChebyshevSmoother
    prolongator: Singles
    step: CoarseningStep


class Multigrid:
    """V-cycle preconditioner of a stiffness matrix with Dirichlet nodes.

    Parameters
    ----------
    hierarchy
        Patterns for the matrix's node graph.
    blocks
        (nnz, 3, 3) float64 or float32, N/mm: stiffness blocks with the Dirichlet conditions imposed.
    points
        (n, 3) float64, mm; give the rigid-body modes.
    largest_eigenvalues
        Largest eigenvalue of D^-1 A of each level, where a similar matrix has been estimated; see the property.
    """

    def __init__(
        self, hierarchy: Hierarchy, blocks: Reals, points: Floats, largest_eigenvalues: Sequence[float] | None = None
    ) -> None:
        indptr, indices = hierarchy.indptr, hierarchy.indices
        modes = rigid_body_modes(points, ~hierarchy.fixed)
        self.levels: list[_Level] = []
        for depth, step in enumerate(hierarchy.steps):
            inverse = _invert_diagonal(blocks, indptr, indices)
            largest = None if largest_eigenvalues is None else largest_eigenvalues[depth]
            smoother = ChebyshevSmoother(blocks, indptr, indices, inverse, largest)
            columns, modes = tentative_prolongator(modes, *step.members, blocks.shape[1])
            columns = columns.astype(blocks.dtype, copy=False)
            omega = PROLONGATOR_DAMPING / smoother.largest_eigenvalue
            p = smooth_prolongator(blocks, indptr, indices, inverse, omega, step.aggregate, columns, *step.prolongator)
            half = multiply_prolongator(blocks, indptr, indices, p, *step.prolongator, *step.half_product)
            self.levels.append(_Level(smoother, p.astype(np.float32), step))
            projected = project_product(p, *step.restriction, half, *step.half_product, *step.coarse)
            blocks = add_transpose(projected, step.transposed)
            indptr, indices = step.coarse
        self.coarsest = _factorise(blocks, indptr, indices)

    @property
    def largest_eigenvalues(self) -> list[float]:
        """Largest eigenvalue of D^-1 A, with a margin, of every level but the coarsest."""
        return [level.smoother.largest_eigenvalue for level in self.levels]

    def __call__(self, residual: Floats) -> Floats:
        """Return the correction (3n,) of one V-cycle for a residual (3n,), float64."""
        scale = float(np.abs(residual).max()) or 1.0
        b = (residual / scale).astype(np.float32).reshape(-1, 3)
        return scale * self._cycle(0, b).ravel().astype(np.float64)

    def _cycle(self, depth: int, b: Singles) -> Singles:
        """Return the correction (n, b) of the levels from `depth` on: smooth, correct on the coarser level, smooth."""
        if depth == len(self.levels):
            right = b.ravel().astype(self.coarsest[0].dtype)
            solved = scipy.linalg.cho_solve(self.coarsest, right, check_finite=False)
            return solved.reshape(b.shape).astype(np.float32)
        level = self.levels[depth]
        x = level.smoother.smooth(b, None)
        coarse = np.empty((len(level.step.coarse.indptr) - 1, N_RIGID_MODES), np.float32)
        restrict(level.prolongator, *level.step.restriction, level.smoother.residual(b, x), coarse)
        correction = np.empty_like(b)
        multiply_blocks(level.prolongator, *level.step.prolongator, self._cycle(depth + 1, coarse), correction)
        x += correction
        return level.smoother.smooth(b, x)


def rigid_body_modes(points: Floats, free: Bools) -> Floats:
    """Return the six rigid-body modes (3n, 6), zero at nodes that are not free; rotations are scaled to order one."""
    x = (points - points.mean(axis=0)) / np.ptp(points, axis=0).max()
    modes = np.zeros((len(x), 3, N_RIGID_MODES))
    for axis in range(3):
        modes[:, axis, axis] = 1.0
        a, b = (axis + 1) % 3, (axis + 2) % 3
        modes[:, a, 3 + axis], modes[:, b, 3 + axis] = -x[:, b], x[:, a]
    modes[~free] = 0.0
    return modes.reshape(-1, N_RIGID_MODES)


def _invert_diagonal(blocks: Reals, indptr: Ints, indices: Ints) -> Reals:
    """Return the inverses (n, b, b) of the diagonal blocks, in the precision of the matrix.

    Directions without stiffness (empty columns of P) are zero. The finest level (b = 3) has no such directions.
    """
    rows = np.repeat(np.arange(len(indptr) - 1, dtype=np.int32), np.diff(indptr))
    diagonal = blocks[np.flatnonzero(rows == indices)].astype(np.float64)
    if diagonal.shape[1] == 3:
        return np.asarray(invert_3x3(diagonal), blocks.dtype)
    values, vectors = np.linalg.eigh(diagonal)
    keep = values > LEAST_STIFFNESS * values[:, -1:]
    reciprocal = np.where(keep, 1.0 / np.where(keep, values, 1.0), 0.0)
    return np.einsum("nij,nj,nkj->nik", vectors, reciprocal, vectors).astype(blocks.dtype, copy=False)


def _factorise(blocks: Reals, indptr: Ints, indices: Ints) -> Any:
    """Return the Cholesky factor of the coarsest matrix; empty rows get a diagonal entry."""
    size = blocks.shape[1] * (len(indptr) - 1)
    dense = scipy.sparse.bsr_array((blocks, indices, indptr), shape=(size, size)).toarray()
    empty = np.abs(np.diag(dense)) <= EMPTY_DIAGONAL * np.abs(dense).max()
    dense[empty, empty] = np.abs(dense).max()
    return scipy.linalg.cho_factor(dense, lower=True, overwrite_a=True, check_finite=False)  # reads the lower half
