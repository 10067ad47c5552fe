"""The tangent surrogate: a small finite-element problem, corrected to first order in the shape.

This is a first-order-consistent multi-fidelity model (Alexandrov et al., "Approximation and model management in
aerodynamic optimization with variable-fidelity models", J Aircraft 38(6), 2001). x is the shape, x0 the template, c(x)
the stress of the coarse problem interpolated to the fine nodes, s(x) the fine solution:

    s(x) ~ s(x0) + w (c(x) - c(x0)) + J (x - x0),    J = d/dx [s - w c] at x0.

w is the ratio of the two von Mises stresses at x0, node by node. The coarse problem carries what is nonlinear in the
shape; J carries what a coarse mesh does not resolve. J follows from the finite-element equations, not from samples.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import scipy.linalg

from models.compiled import compiled
from models.tangent_model import TangentModel
from models.template import Template
from models.types import Floats, Reals, Singles
from workers.fem.coarse_problem import CoarseProblem
from workers.fem.field import StressField
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.stress import principal_stresses, rotate_tensors, von_mises
from workers.surrogate.normalisation import normalising_pose, stress_factor

PROJECTION_NOISE_MM = 0.1
"""Noise of the surface nodes when their displacement is expressed in shape coefficients: the accuracy of a fit."""
PROJECTION_STRIDE = 6
"""Every sixth surface node is used. Nodes lie along a space-filling curve, so these are spread evenly."""
RATIO_RANGE = (0.3, 3.0)
"""Range of the ratio w: where the stress nearly vanishes, the ratio of two meshes says nothing about the shape."""
LEAST_STRESS_MPA = 1e-12
"""Floor of the coarse stress that the ratio divides by."""


@compiled("(i1[:,:,::1], f4[::1])", fastmath=True)
def _multiply_response(response, weight):  # type: ignore[no-untyped-def]
    """Return (m, 6) float32: the response (m, 6, r) int8 times the weight (r,) float32 of each direction."""
    m, c, r = response.shape
    out = np.empty((m, c), np.float32)
    for i in nb.prange(m):
        for k in range(c):
            total = np.float32(0.0)
            for j in range(r):
                total += np.float32(response[i, k, j]) * weight[j]
            out[i, k] = total
    return out


@compiled("(f4[:,::1], f8[:,::1], f4[:,::1], f4[:,::1], i4[:,::1], f8[:,::1], f4[::1])")
def _add_terms(template_stress, change, on_surface, on_coarse, corners, weights, ratio):  # type: ignore[no-untyped-def]
    """Return s(x) (n, 6) at the fine nodes: s(x0), plus w times the coarse change, plus the response J (x - x0).

    `change` (k, 6) and `on_coarse` (k, 6), the response at the coarse nodes, are interpolated with `corners` and
    `weights` (n, 4). The first nodes, those of the surface, take their own response `on_surface` (n_s, 6).
    """
    n, n_surface = len(template_stress), len(on_surface)
    out = np.empty((n, 6))
    for i in nb.prange(n):
        for k in range(6):
            coarse, response = 0.0, 0.0
            for a in range(4):
                coarse += weights[i, a] * change[corners[i, a], k]
                response += weights[i, a] * on_coarse[corners[i, a], k]
            if i < n_surface:
                response = on_surface[i, k]
            out[i, k] = template_stress[i, k] + ratio[i] * coarse + response
    return out


def stress_ratio(fine: Reals, coarse: Reals) -> Singles:
    """Return w (n,) float32: fine over coarse von Mises stress of two nodal tensors (n, 6), within `RATIO_RANGE`."""
    ratio = von_mises(fine.astype(np.float64)) / np.maximum(von_mises(coarse.astype(np.float64)), LEAST_STRESS_MPA)
    return np.clip(ratio, *RATIO_RANGE).astype(np.float32)


class TangentSurrogate:
    """Predicts the stress of a subject mesh.

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
        self.coarse.set_reference(template.nodes, self.loaded, self._loads(template.nodes))
        self.template_coarse_stress = self._coarse_stress(template.nodes)
        self.ratio = stress_ratio(model.tensor, self.coarse.interpolate(self.template_coarse_stress))

    def _loads(self, points: Floats) -> Floats:
        """Return the forces (l, 3), N, on the loaded nodes of a mesh (n, 3), mm, under the reference load."""
        force = endplate_traction(points, self.template.superior, self.template.inferior, REFERENCE_LOAD_NEWTON)
        return force[self.loaded]

    def _coarse_stress(self, points: Floats) -> Floats:
        """Return c(x) (k, 6), MPa under the reference load, at the coarse nodes of a mesh (n, 3), mm."""
        return self.coarse.stress(points, self.loaded, self._loads(points))

    def coefficients(self, points: Floats) -> Singles:
        """Return the shape coefficients (m, 3) float32 of a mesh (n, 3), mm, in the template's frame and size."""
        chosen = slice(0, self.template.n_surface, PROJECTION_STRIDE)
        return self.projection @ (points[chosen] - self.template.nodes[chosen]).astype(np.float32)

    def tensor(self, points: Floats) -> Floats:
        """Return the nodal stress (n, 6), MPa under the reference load.

        The mesh `points` (n, 3), mm, is in the template's frame and size. Raises `NotConverged` as `predict` does.
        """
        return self.tensor_and_coarse(points, self.coefficients(points))[0]

    def tensor_and_coarse(self, points: Floats, coefficients: Singles) -> tuple[Floats, Floats]:
        """Return the tensor as `tensor` does, and the displacement (k, 3), mm, of the coarse problem.

        Unit and errors are those of `tensor`; `coefficients` (m, 3) are those of the mesh.
        """
        stress, displacement = self.coarse.solve(points, self.loaded, self._loads(points))
        change = stress - self.template_coarse_stress
        directions = coefficients.ravel() @ self.model.reduction
        response = _multiply_response(self.model.response, directions * self.model.response_scale)
        n = self.template.n_surface
        tensor: Floats = _add_terms(
            self.model.tensor,
            change,
            response[:n],
            response[n:],
            self.coarse.fine_corners,
            self.coarse.fine_weights,
            self.ratio,
        )
        return tensor, displacement

    def predict(self, points: Floats, load_newton: float) -> StressField:
        """Return the field of a subject mesh (n, 3), mm, world RAS+, under `load_newton`; no displacement.

        Pose, size and load are exact (`workers.surrogate.normalisation`).

        Raises
        ------
        NotConverged
            The coarse problem did not converge.
        """
        pose = normalising_pose(points, self.template)
        tensor = self.tensor(pose.apply_inverse(points)) * stress_factor(pose, load_newton)
        return StressField(rotate_tensors(tensor, pose.rotation), principal_stresses(tensor), von_mises(tensor), None)
