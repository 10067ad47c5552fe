"""The shape model: a low-rank Gaussian process of deformations of the template.

It is a zero-mean Gaussian process of displacement fields (Lüthi et al., "Gaussian Process Morphable Models", IEEE TPAMI
40(8), 2018). The scalar kernel acts on each axis:

    k(x, y) = sum_s a_s^2 exp(-|x - y|^2 / (2 l_s^2)),   l = 32, 16, 8, 4 mm,   a = 6, 3, 1.2, 0.6 mm

Its leading eigenfunctions are found on a set of landmark points. The Nyström method extends them to any point, so
surface and internal nodes move by one smooth field.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba as nb
import numpy as np
import scipy.linalg

from models.compiled import compiled
from models.kept_arrays import kept_array
from models.kernel_cache import fingerprint
from models.types import Reals, Singles

LENGTH_MM = 32.0
"""Longest correlation length. The others are a half, a quarter and an eighth of it, so one exponential serves all."""
AMPLITUDES_MM = (6.0, 3.0, 1.2, 0.6)
"""Standard deviations a of the displacement, from the longest correlation length to the shortest."""
_BLOCK = 16_384
"""Points of `ShapeModel.basis` that are computed at once: their kernel with 2,000 landmarks takes 130 MB."""


@compiled("(f4[:,::1], f4[:,::1], f4, f4[::1])", fastmath=True)
def _kernel(x, y, length, variances):  # type: ignore[no-untyped-def]
    """Kernel matrix (n, m) float32. exp(-d2 / (2 (l/2)^2)) is the fourth power of exp(-d2 / (2 l^2))."""
    n, m = x.shape[0], y.shape[0]
    out = np.empty((n, m), np.float32)
    h = np.float32(-0.5) / (length * length)
    for i in nb.prange(n):
        x0, x1, x2 = x[i, 0], x[i, 1], x[i, 2]
        for j in range(m):
            d2 = (x0 - y[j, 0]) ** 2 + (x1 - y[j, 1]) ** 2 + (x2 - y[j, 2]) ** 2
            e = np.exp(h * d2)
            e4 = e * e
            e4 *= e4
            e16 = e4 * e4
            e16 *= e16
            e64 = e16 * e16
            e64 *= e64
            out[i, j] = variances[0] * e + variances[1] * e4 + variances[2] * e16 + variances[3] * e64
    return out


def kernel(x: Reals, y: Reals) -> Singles:
    """Return the scalar kernel matrix k(x_i, y_j), mm^2.

    Parameters
    ----------
    x, y
        (n, 3) and (m, 3) points, mm.

    Returns
    -------
    (n, m) float32.
    """
    variances = np.square(np.asarray(AMPLITUDES_MM, np.float32))
    return _kernel(x.astype(np.float32), y.astype(np.float32), np.float32(LENGTH_MM), variances)


@dataclass(frozen=True)
class ShapeModel:
    """Scaled eigenfunctions of the process: a displacement is ``basis(x) @ c``, where c is standard normal.

    Attributes
    ----------
    landmarks
        (l, 3) float32, mm, template frame: points on which the eigenproblem is solved.
    weights
        (l, m) float32: column j extends the j-th scaled eigenfunction to x by ``kernel(x, landmarks) @ weights[:, j]``.
    """

    landmarks: Singles
    weights: Singles

    @property
    def n_modes(self) -> int:
        """Number of scalar eigenfunctions m; each acts on the three axes."""
        return int(self.weights.shape[1])

    @classmethod
    def from_landmarks(cls, landmarks: Reals, n_modes: int) -> ShapeModel:
        """Solve the eigenproblem on `landmarks` (l, 3), mm, and keep the `n_modes` largest eigenvalues."""
        points = np.asarray(landmarks, np.float32)
        n = len(points)
        values, vectors = scipy.linalg.eigh(
            kernel(points, points).astype(np.float64), subset_by_index=(n - n_modes, n - 1)
        )
        values, vectors = values[::-1], vectors[:, ::-1]
        vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(n_modes)])
        return cls(points, (vectors / np.sqrt(values)).astype(np.float32))

    def basis(self, points: Reals) -> Singles:
        """Return the scaled eigenfunctions (n, m) float32, mm, at `points` (n, 3), mm.

        The points are taken in blocks, so that the method needs little memory beside the result. Each core multiplies
        a part of a block, since BLAS has one thread.
        """
        out = np.empty((len(points), self.n_modes), np.float32)
        cores = nb.get_num_threads()
        with ThreadPoolExecutor(cores) as pool:
            for block in _slices(0, len(points), _BLOCK):
                covariance = kernel(points[block], self.landmarks)
                n = len(covariance)
                parts = [(covariance[rows], out[block][rows]) for rows in _slices(0, n, -(-n // cores))]
                list(pool.map(lambda part: np.matmul(part[0], self.weights, out=part[1]), parts))
        return out

    def kept_basis(self, points: Reals) -> Singles:
        """Return `basis`, read-only, from disk where a process has computed it at these points before."""
        code = fingerprint(_kernel.py_func)
        return kept_array("basis", code, (self.landmarks, self.weights, points), lambda: self.basis(points))


def _slices(start: int, stop: int, step: int) -> list[slice]:
    return [slice(first, min(first + step, stop)) for first in range(start, stop, step)]
