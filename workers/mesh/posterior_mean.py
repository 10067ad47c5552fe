"""The posterior mean of the shape model's coefficients, given pairs of a node and a point with a normal.

The pairs count mostly point-to-plane, which couples the three axes: the matrix of the equations has three times as many
rows as there are modes. It is never built. Conjugate gradients apply it node by node. The preconditioner is the matrix
of pairs that lie evenly on the surface and whose normals point everywhere. It has one block for all axes, which the
eigenvectors of the eigenfunctions' Gram matrix turn into a diagonal, whatever the weight of the pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from models.compiled import compiled
from models.types import Floats, Integers, Singles
from workers.mesh.modes import combination, projection

POINT_TO_POINT = 0.05
"""Weight of point-to-point beside point-to-plane; it keeps vertices from sliding along the surface."""
TOLERANCE, MAX_ITERATIONS = 3e-3, 20
"""Relative residual at which the coefficients count as found. With 1e-2 the same surface, turned by 5 degrees, gave a
field that differed by up to 0.4 % of the peak; with 3e-3 by 0.03 % (a trial)."""


@compiled("(i8[::1], f8[:,::1], f8[:,::1], f8[::1], i8)", parallel=False)
def _pair_sums(nodes, offset, normals, weight, count):  # type: ignore[no-untyped-def]
    """Sums of metric (n, 3, 3), pull (n, 3) and weight (n,) over the pairs of each of `count` nodes; see `PairSums`."""
    metric, pull, total = np.zeros((count, 3, 3)), np.zeros((count, 3)), np.zeros(count)
    for k in range(len(nodes)):
        node, w = nodes[k], weight[k]
        along = 0.0
        for i in range(3):
            along += normals[k, i] * offset[k, i]
        for i in range(3):
            for j in range(3):
                metric[node, i, j] += w * normals[k, i] * normals[k, j]
            metric[node, i, i] += w * POINT_TO_POINT
            pull[node, i] += w * (normals[k, i] * along + POINT_TO_POINT * offset[k, i])
        total[node] += w
    return metric, pull, total


@dataclass(frozen=True)
class PairSums:
    """What all pairs of each node ask of it, summed: many points may have the same node.

    Attributes
    ----------
    metric
        (n, 3, 3) float32, 1/mm²: along the normals of the node's points and, a little, across them.
    pull
        (n, 3) float32, 1/mm: the metric of each pair times the offset from the undeformed node to its point.
    weight
        (n,) float32, 1/mm²: sum of the weights.
    """

    metric: Singles
    pull: Singles
    weight: Singles

    @classmethod
    def of(cls, nodes: Integers, offset: Floats, normals: Floats, weight: Floats, count: int) -> PairSums:
        """Sum pairs.

        Parameters
        ----------
        nodes
            (p,) from 0 to `count` - 1.
        offset
            (p, 3) mm: from the undeformed node to the point.
        normals
            (p, 3) unit normals of the target there.
        weight
            (p,): over the variance of the noise, 1/mm².
        count
            Number of nodes.
        """
        metric, pull, total = _pair_sums(nodes, offset, normals, weight, count)
        return cls(metric.astype(np.float32), pull.astype(np.float32), total.astype(np.float32))


@dataclass(frozen=True)
class GramSpectrum:
    """The Gram matrix of eigenfunctions at a surface's vertices, as eigenvectors and eigenvalues.

    Attributes
    ----------
    vectors
        (m, m) float64, in columns.
    values
        (m,) float64, mm².
    n_vertices
        Of the surface.
    """

    vectors: Floats
    values: Floats
    n_vertices: int

    @classmethod
    def of(cls, gram: Singles, n_vertices: int) -> GramSpectrum:
        """Decompose the Gram matrix (m, m), mm²."""
        values, vectors = scipy.linalg.eigh(gram.astype(np.float64), check_finite=False)
        return cls(vectors, np.maximum(values, 0.0), n_vertices)

    def solve(self, weight: float, right: Floats) -> Floats:
        """Return x (m, k) with (1 + weight · Gram) x = right; `weight` in 1/mm² is that of each vertex."""
        scaled = (self.vectors.T @ right) / (1.0 + weight * self.values)[:, None]
        return np.asarray(self.vectors @ scaled, np.float64)


def posterior_mean(phi: Singles, pairs: PairSums, start: Floats, spectrum: GramSpectrum) -> Floats:
    """Return the coefficients (m, 3), given pairs and a guess (m, 3) (Lüthi et al. 2018, section 4).

    Parameters
    ----------
    phi
        (n, m) float32, mm: the eigenfunctions at the nodes.
    pairs
        Of these n nodes.
    start
        (m, 3) guess.
    spectrum
        Of these m eigenfunctions.
    """
    weight = float(pairs.weight.sum()) / spectrum.n_vertices * (1.0 / 3.0 + POINT_TO_POINT)
    right = projection(phi, pairs.pull)
    found = start.copy()
    residual = right - _apply(phi, pairs, found)
    enough = TOLERANCE * float(np.linalg.norm(right))
    direction, product = np.zeros_like(right), 1.0
    for _ in range(MAX_ITERATIONS):
        if np.linalg.norm(residual) <= enough:
            break
        z = spectrum.solve(weight, residual)
        before, product = product, float(np.vdot(residual, z))
        direction = z + (product / before) * direction
        image = _apply(phi, pairs, direction)
        step = product / float(np.vdot(direction, image))
        found += step * direction
        residual -= step * image
    return found


def _apply(phi: Singles, pairs: PairSums, coefficients: Floats) -> Floats:
    """Return the matrix of the equations times coefficients (m, 3)."""
    asked = np.einsum("nij,nj->ni", pairs.metric, combination(phi, coefficients))
    return np.asarray(coefficients + projection(phi, asked), np.float64)
