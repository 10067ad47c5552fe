"""The tangent surrogate: a small finite-element problem, corrected to first order in the shape.

A first-order-consistent multi-fidelity model (Alexandrov et al., "Approximation and model management in aerodynamic
optimization with variable-fidelity models", J Aircraft 38(6), 2001). With x the shape, x0 the template, c(x) the stress
of the coarse problem interpolated to the fine nodes and s(x) the fine solution,

    s(x) ~ s(x0) + w (c(x) - c(x0)) + J (x - x0),    J = d/dx [s - w c] at x0,

w being the ratio of the two von Mises stresses at x0, node by node. The coarse problem carries what is nonlinear in
the shape, J what a coarse mesh cannot see. J is derived from the finite-element equations, not learned from samples.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import scipy.linalg

from models.tangent import TangentModel
from models.template import Template
from models.types import Floats, Reals, Singles
from workers.fem.coarse import CoarseProblem
from workers.fem.field import StressField
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.stress import principal_stresses, von_mises
from workers.geometry.similarity import Similarity

PROJECTION_NOISE_MM = 0.1
"""Noise of the surface nodes when their displacement is expressed in shape coefficients."""
PROJECTION_STRIDE = 6
"""Every sixth surface node is used; they lie along a space-filling curve, so these are spread evenly."""
RATIO_RANGE = (0.3, 3.0)


@nb.njit(parallel=True, fastmath=True, cache=True)
def _respond(response, weight):  # type: ignore[no-untyped-def]
    """Multiply int8 rows (m, 6, r) by float32 weights (r,)."""
    m, c, r = response.shape
    out = np.empty((m, c), np.float32)
    for i in nb.prange(m):
        for k in range(c):
            total = np.float32(0.0)
            for j in range(r):
                total += np.float32(response[i, k, j]) * weight[j]
            out[i, k] = total
    return out


@nb.njit(parallel=True, cache=True)
def _combine(anchor, change, on_surface, on_coarse, corners, weights, ratio):  # type: ignore[no-untyped-def]
    """Add up, at every fine node, the anchor's stress, the coarse change and the response."""
    n, n_surface = len(anchor), len(on_surface)
    out = np.empty((n, 6))
    for i in nb.prange(n):
        for k in range(6):
            coarse, response = 0.0, 0.0
            for a in range(4):
                coarse += weights[i, a] * change[corners[i, a], k]
                response += weights[i, a] * on_coarse[corners[i, a], k]
            if i < n_surface:
                response = on_surface[i, k]
            out[i, k] = anchor[i, k] + ratio[i] * coarse + response
    return out


def stress_ratio(fine: Reals, coarse: Reals) -> Singles:
    """Return w (n,): fine over coarse von Mises stress of two nodal tensors (n, 6), within `RATIO_RANGE`."""
    ratio = von_mises(fine.astype(np.float64)) / np.maximum(von_mises(coarse.astype(np.float64)), 1e-12)
    return np.clip(ratio, *RATIO_RANGE).astype(np.float32)


class TangentSurrogate:
    """Predicts the stress of any subject mesh in the template's topology.

    Parameters
    ----------
    model
        From the bundle.
    template
        The mesh the model belongs to.
    surface_basis
        (n_s, m) float32, mm: `ShapeModel.basis` at the surface nodes.
    """

    def __init__(self, model: TangentModel, template: Template, surface_basis: Singles) -> None:
        self.model, self.template = model, template
        basis = surface_basis[::PROJECTION_STRIDE].astype(np.float64)
        gram = basis.T @ basis + PROJECTION_NOISE_MM**2 * np.eye(basis.shape[1])
        self.projection = scipy.linalg.solve(gram, basis.T, assume_a="pos").astype(np.float32)
        self.coarse = CoarseProblem(model.coarse, template)
        self.loaded = template.loaded_nodes
        self.coarse.learn(template.nodes, self.loaded, self._traction(template.nodes))
        self.at_template = self._coarse_stress(template.nodes)
        interpolated = np.einsum("nc,ncd->nd", self.coarse.fine_weights, self.at_template[self.coarse.fine_corners])
        self.ratio = stress_ratio(model.tensor, interpolated)

    def _traction(self, points: Floats) -> Floats:
        """Return the forces on the loaded nodes."""
        force = endplate_traction(points, self.template.superior, self.template.inferior, REFERENCE_LOAD_NEWTON)
        return force[self.loaded]

    def _coarse_stress(self, points: Floats) -> Floats:
        return self.coarse.stress(points, self.loaded, self._traction(points))

    def coefficients(self, points: Floats) -> Singles:
        """Return the shape coefficients (m, 3) of a mesh (n, 3) in the template's frame and size."""
        chosen = slice(0, self.template.n_surface, PROJECTION_STRIDE)
        return self.projection @ (points[chosen] - self.template.nodes[chosen]).astype(np.float32)

    def tensor(self, points: Floats) -> Floats:
        """Return the nodal stress (n, 6), MPa under 500 N, of a mesh (n, 3), mm, in the template's frame and size."""
        change = self._coarse_stress(points) - self.at_template
        directions = self.coefficients(points).ravel() @ self.model.reduction
        response = _respond(self.model.response, directions * self.model.response_scale)
        n = self.template.n_surface
        tensor: Floats = _combine(
            self.model.tensor,
            change,
            response[:n],
            response[n:],
            self.coarse.fine_corners,
            self.coarse.fine_weights,
            self.ratio,
        )
        return tensor

    def predict(self, points: Floats, load_newton: float) -> StressField:
        """Return the field of a subject's mesh (n, 3), mm, world RAS, under `load_newton`; no displacement.

        Pose and size are taken out, and put back exactly: stress turns with the shape and goes with load / size^2.

        Raises
        ------
        SolveFailed
            The coarse problem did not converge.
        """
        pose = normalising_pose(points, self.template)
        tensor = self.tensor(pose.apply_inverse(points)) * (load_newton / REFERENCE_LOAD_NEWTON / pose.scale**2)
        return StressField(rotate(tensor, pose.rotation), principal_stresses(tensor), von_mises(tensor), None)


def normalising_pose(points: Floats, template: Template) -> Similarity:
    """Return the similarity that carries the template's surface nodes closest to the subject's."""
    n = template.n_surface
    return Similarity.between(template.nodes[:n], points[:n])


def rotate(tensor: Floats, rotation: Floats) -> Floats:
    """Return R s R' of tensors (n, 6): xx, yy, zz, xy, yz, zx."""
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0))
    matrix = np.empty((6, 6))
    for row, (i, j) in enumerate(pairs):
        for column, (k, l) in enumerate(pairs):
            matrix[row, column] = rotation[i, k] * rotation[j, l]
            if k != l:
                matrix[row, column] += rotation[i, l] * rotation[j, k]
    return tensor @ matrix.T
