"""The posterior mean of the shape model's coefficients, given pairs of a node and a point with a normal.

The pairs count mostly point-to-plane, which couples the three axes: the matrix of the equations has three times as many
rows as there are modes. It is never built. Conjugate gradients apply it node by node. The preconditioner is the matrix
of pairs whose normals point everywhere; it has one block for all axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, cg

from models.types import Floats, Integers, Singles

POINT_TO_POINT = 0.05
"""Weight of point-to-point beside point-to-plane; it keeps vertices from sliding along the surface."""
TOLERANCE, MAX_ITERATIONS = 3e-3, 20
"""Relative residual at which the coefficients count as found. With 1e-2 the same surface, turned by 5 degrees, gave a
field that differed by up to 0.4 % of the peak; with 3e-3 by 0.03 % (a trial)."""


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

        def summed(values: Floats) -> Floats:
            return np.asarray(np.bincount(nodes, values, count), np.float64)

        metric = np.empty((count, 3, 3), np.float32)
        for i, j in combinations_with_replacement(range(3), 2):
            metric[:, i, j] = metric[:, j, i] = summed(weight * normals[:, i] * normals[:, j])
        total = summed(weight)
        metric[:, range(3), range(3)] += POINT_TO_POINT * total[:, None]
        asked = normals * (normals * offset).sum(axis=1, keepdims=True) + POINT_TO_POINT * offset
        pull = np.stack([summed(weight * asked[:, i]) for i in range(3)], axis=1)
        return cls(metric, pull.astype(np.float32), total.astype(np.float32))


def posterior_mean(phi: Singles, pairs: PairSums, start: Floats) -> Floats:
    """Return the coefficients (m, 3), given pairs and a guess (m, 3) (Lüthi et al. 2018, section 4).

    Parameters
    ----------
    phi
        (n, m) float32, mm: the eigenfunctions at the nodes.
    pairs
        Of these n nodes.
    start
        (m, 3) guess.
    """
    shape = start.shape

    def matrix(flat: Singles) -> Singles:
        coefficients = flat.reshape(shape).astype(np.float32)
        return (coefficients + phi.T @ np.einsum("nij,nj->ni", pairs.metric, phi @ coefficients)).ravel()

    gram = ((phi * pairs.weight[:, None]).T @ phi).astype(np.float64) * (1.0 / 3.0 + POINT_TO_POINT)
    gram[np.diag_indices_from(gram)] += 1.0
    factor = scipy.linalg.cho_factor(gram, overwrite_a=True, check_finite=False)

    def precondition(flat: Singles) -> Singles:
        return scipy.linalg.cho_solve(factor, flat.reshape(shape), check_finite=False).ravel().astype(np.float32)

    right = (phi.T @ pairs.pull).ravel()
    size = (right.size, right.size)
    found, _ = cg(
        LinearOperator(size, matrix, dtype=np.float32),
        right,
        start.ravel().astype(np.float32),
        rtol=TOLERANCE,
        maxiter=MAX_ITERATIONS,
        M=LinearOperator(size, precondition, dtype=np.float32),
    )
    return found.reshape(shape).astype(np.float64)
