"""Smoothed-aggregation multigrid for elasticity, as a preconditioner (Vaněk, Mandel & Brezina, Computing 56, 1996).

Rigid-body motions are the near null space. What depends on the connectivity alone is a `Hierarchy`, made once for a
template; `Multigrid` is the numbers for one shape: prolongators, Galerkin products and smoothers. They are computed in
float64; the cycle runs in float32, which halves its memory traffic and costs no iterations, since the conjugate
gradients outside it work in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from models.types import Bools, Floats, Ints, Singles
from workers.fem.hierarchy import CoarseningStep, Hierarchy
from workers.fem.multigrid_kernels import (
    apply_inverse,
    block_multiply,
    galerkin,
    invert_3x3,
    restrict,
    smoothed,
    tentative,
    times_prolongator,
)

CHEBYSHEV_DEGREE = 2
SMOOTHING_RANGE = 10.0
"""The smoother damps eigenvalues in [largest / SMOOTHING_RANGE, largest]."""
POWER_ITERATIONS = 20


class _Level:
    """Matrix, block-diagonal inverse and prolongator of one level, in float32."""

    def __init__(self, data: Floats, indptr: Ints, indices: Ints, largest: float | None) -> None:
        n = len(indptr) - 1
        rows = np.repeat(np.arange(n, dtype=np.int32), np.diff(indptr))
        diagonal = data[np.flatnonzero(rows == indices)]
        self.inverse64 = _safe_inverse(diagonal)
        self.inverse = self.inverse64.astype(np.float32)
        self.data, self.indptr, self.indices = data.astype(np.float32), indptr, indices
        self.largest = self._largest_eigenvalue() if largest is None else largest
        self.p: Singles | None = None
        self.step: CoarseningStep | None = None

    def _largest_eigenvalue(self) -> float:
        """Largest eigenvalue of D^-1 A by power iteration, with a margin."""
        x = np.random.default_rng(0).standard_normal((len(self.inverse), self.inverse.shape[1])).astype(np.float32)
        y, z = np.empty_like(x), np.empty_like(x)
        value = 1.0
        for _ in range(POWER_ITERATIONS):
            x /= np.linalg.norm(x)
            block_multiply(self.data, self.indptr, self.indices, x, y)
            apply_inverse(self.inverse, y, z)
            value = float(np.linalg.norm(z))
            x, z = z, x
        return 1.1 * value

    def smooth(self, b: Singles, x: Singles | None) -> Singles:
        """Chebyshev iteration on D^-1 A from x (zero if None)."""
        theta = 0.5 * self.largest * (1.0 + 1.0 / SMOOTHING_RANGE)
        delta = 0.5 * self.largest * (1.0 - 1.0 / SMOOTHING_RANGE)
        sigma = theta / delta
        rho = 1.0 / sigma
        step = np.empty_like(b)
        residual = np.empty_like(b)
        if x is None:
            apply_inverse(self.inverse, b, step)
            x = np.zeros_like(b)
        else:
            block_multiply(self.data, self.indptr, self.indices, x, residual)
            np.subtract(b, residual, out=residual)
            apply_inverse(self.inverse, residual, step)
        step *= np.float32(1.0 / theta)
        x += step
        correction = np.empty_like(b)
        for _ in range(CHEBYSHEV_DEGREE - 1):
            block_multiply(self.data, self.indptr, self.indices, x, residual)
            np.subtract(b, residual, out=residual)
            apply_inverse(self.inverse, residual, correction)
            rho_new = 1.0 / (2.0 * sigma - rho)
            step *= np.float32(rho_new * rho)
            step += np.float32(2.0 * rho_new / delta) * correction
            x += step
            rho = rho_new
        return x


def _safe_inverse(blocks: Floats) -> Floats:
    """Invert symmetric diagonal blocks; directions without stiffness (empty columns of P) are left out."""
    if blocks.shape[1] == 3:  # the finest level has none
        return invert_3x3(blocks)
    values, vectors = np.linalg.eigh(blocks)
    keep = values > 1e-10 * values[:, -1:]
    reciprocal = np.where(keep, 1.0 / np.where(keep, values, 1.0), 0.0)
    return np.einsum("nij,nj,nkj->nik", vectors, reciprocal, vectors)


class Multigrid:
    """V-cycle preconditioner for a clamped stiffness matrix.

    Parameters
    ----------
    hierarchy
        Patterns for the matrix's node graph.
    matrix
        `scipy.sparse.bsr_array`, (3n, 3n), 3x3 blocks, clamped rows and columns replaced by the identity.
    points
        (n, 3) float64, mm; gives the rigid-body motions.
    largest
        Largest eigenvalue of each level's scaled matrix, where a similar one has been estimated; see `eigenvalues`.
    """

    def __init__(
        self, hierarchy: Hierarchy, matrix: Any, points: Floats, largest: Sequence[float] | None = None
    ) -> None:
        data, indptr, indices = matrix.data, hierarchy.indptr, hierarchy.indices
        modes = rigid_body_motions(points, ~hierarchy.fixed)
        self.levels: list[_Level] = []
        for depth, step in enumerate(hierarchy.steps):
            level = _Level(data, indptr, indices, None if largest is None else largest[depth])
            self.levels.append(level)
            columns, modes = tentative(modes, *step.members, data.shape[1])
            omega = 4.0 / 3.0 / level.largest
            p = smoothed(data, indptr, indices, level.inverse64, omega, step.aggregate, columns, *step.p)
            ap = times_prolongator(data, indptr, indices, p, *step.p, *step.ap)
            data = galerkin(p, *step.pt, ap, *step.ap, *step.coarse)
            level.p, level.step = p.astype(np.float32), step
            indptr, indices = step.coarse
        block = data.shape[1]
        size = block * (len(indptr) - 1)
        dense = scipy.sparse.bsr_array((data, indices, indptr), shape=(size, size)).toarray()
        empty = np.abs(np.diag(dense)) <= 1e-12 * np.abs(dense).max()
        dense[empty, empty] = np.abs(dense).max()
        self.coarsest = scipy.linalg.cho_factor(0.5 * (dense + dense.T), lower=True)

    @property
    def eigenvalues(self) -> list[float]:
        """Largest eigenvalue of D^-1 A, with a margin, of every level."""
        return [level.largest for level in self.levels]

    def __call__(self, residual: Floats) -> Floats:
        """Apply one V-cycle to a residual (3n,)."""
        scale = float(np.abs(residual).max()) or 1.0
        b = (residual / scale).astype(np.float32).reshape(-1, 3)
        return scale * self._cycle(0, b).ravel().astype(np.float64)

    def _cycle(self, depth: int, b: Singles) -> Singles:
        if depth == len(self.levels):
            solved = scipy.linalg.cho_solve(self.coarsest, b.ravel().astype(np.float64), check_finite=False)
            return solved.reshape(b.shape).astype(np.float32)
        level = self.levels[depth]
        assert level.step is not None
        assert level.p is not None
        x = level.smooth(b, None)
        residual = np.empty_like(b)
        block_multiply(level.data, level.indptr, level.indices, x, residual)
        np.subtract(b, residual, out=residual)
        coarse = np.empty((len(level.step.coarse[0]) - 1, 6), np.float32)
        restrict(level.p, *level.step.pt, residual, coarse)
        correction = np.empty_like(b)
        block_multiply(level.p, *level.step.p, self._cycle(depth + 1, coarse), correction)
        x += correction
        return level.smooth(b, x)


def rigid_body_motions(points: Floats, free: Bools) -> Floats:
    """Return the six rigid-body motions (3n, 6), zero on clamped nodes; lengths scaled to order one."""
    x = (points - points.mean(axis=0)) / np.ptp(points, axis=0).max()
    motions = np.zeros((len(x), 3, 6))
    for axis in range(3):
        motions[:, axis, axis] = 1.0
        a, b = (axis + 1) % 3, (axis + 2) % 3
        motions[:, a, 3 + axis], motions[:, b, 3 + axis] = -x[:, b], x[:, a]
    motions[~free] = 0.0
    return motions.reshape(-1, 6)
