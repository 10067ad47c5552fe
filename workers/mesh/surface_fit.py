"""Fit the template's surface to a target surface (paper section II.C) with a Gaussian-process morphable model.

The pose comes first (`workers.mesh.similarity_icp`), then the coefficients of the process. Each iteration pairs
template and target in both directions. It takes the *closed-form* posterior mean given the pairs (Lüthi et al. 2018,
section 4). The first iterations use few modes and a large noise, the last all modes and a small noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.types import Floats, Singles
from workers.geometry.farthest_points import farthest_points
from workers.geometry.similarity import Similarity
from workers.geometry.surface import Surface
from workers.mesh.correspondences import Correspondences
from workers.mesh.modes import combination, projection
from workers.mesh.posterior_mean import GramSpectrum, PairSums, posterior_mean
from workers.mesh.similarity_icp import align


class FitStep(NamedTuple):
    """Leading modes used, noise of the pairs in mm, iterations."""

    n_modes: int
    noise_mm: float
    iterations: int


COARSE_TO_FINE = (
    FitStep(40, 4.0, 6),
    FitStep(40, 2.0, 4),
    FitStep(100, 1.0, 4),
    FitStep(300, 0.5, 2),
    FitStep(300, 0.3, 1),
)
"""Steps of the fit, mostly point-to-plane. Those with 40 modes bring nodes along the surface to their places: half as
many leave nodes of known shapes 0.8 to 0.9 mm off instead of 0.5 to 0.7. The last ones follow the samples: more of them
let the field differ more with the order of the target's triangles, and bring the surface no closer (decision 84)."""
FINAL_ITERATIONS, FINAL_NOISE_MM = 6, 0.25
"""Last iterations, point-to-point with every mode and every vertex. The axes decouple, so the further 300 modes cost
almost nothing. They take the mean surface distance from 0.12 to 0.10 mm on 1 mm masks."""
NOISE_PER_VOXEL = 0.2
"""Least noise, in voxels: with less, a fit follows the staircase of the mask instead of the bone."""
N_CONTROL, N_ALIGNED = 3000, 1000
"""Vertices that look for a partner, evenly spread, and how many of these find the pose."""


@dataclass(frozen=True)
class Fit:
    """A fitted template.

    Attributes
    ----------
    coefficients
        (m, 3) float64, whitened coefficients of the shape model, in the template frame.
    pose
        Similarity from the template frame to the world (RAS+, mm).
    """

    coefficients: Floats
    pose: Similarity


class SurfaceFitter:
    """Fits a template surface to target surfaces; what depends on the template alone is computed once.

    Parameters
    ----------
    surface
        The template's surface, template frame, mm.
    basis
        (n, m) float32, mm: `ShapeModel.basis` at the surface's vertices.
    """

    def __init__(self, surface: Surface, basis: Singles) -> None:
        self.surface = surface
        self.basis = basis
        self.control = farthest_points(surface.vertices, N_CONTROL)
        gram = basis.T @ basis
        used = {step.n_modes for step in COARSE_TO_FINE} | {basis.shape[1]}
        self.spectra = {n: GramSpectrum.of(gram[:n, :n], len(basis)) for n in used if n <= len(gram)}

    def fit(self, target: Surface, voxel_mm: float) -> Fit:
        """Fit the template to a target.

        Parameters
        ----------
        target
            Surface, mm, world RAS+.
        voxel_mm
            Size of the voxels that the target came from; 0 for a smooth mesh.
        """
        pose = align(self.surface, self.surface.vertices[self.control[:N_ALIGNED]], target)
        local = Surface(pose.apply_inverse(target.vertices), target.triangles)
        least_noise = NOISE_PER_VOXEL * voxel_mm / pose.scale
        coefficients = np.zeros((self.basis.shape[1], 3))
        pairs = Correspondences(self.surface.triangles, self.control, local)
        for step in COARSE_TO_FINE:
            noise, n = max(step.noise_mm, least_noise), step.n_modes
            for _ in range(step.iterations):
                coefficients[:n] = self._mean_by_planes(pairs, coefficients, n, noise)
        return Fit(self._mean_by_points(pairs, coefficients, max(FINAL_NOISE_MM, least_noise)), pose)

    def displace(self, coefficients: Floats) -> Floats:
        """Return the vertices (n, 3), mm, template frame, of the shape with these coefficients (m, 3)."""
        return self._moved(coefficients)

    def _moved(self, leading: Floats) -> Floats:
        """Return the vertices (n, 3), mm, template frame, of the shape with the leading coefficients (k, 3) alone."""
        return self.surface.vertices + combination(self.basis, leading)

    def _mean_by_planes(self, pairs: Correspondences, coefficients: Floats, n_modes: int, noise: float) -> Floats:
        """Return the posterior mean (n_modes, 3) of the first coefficients, given pairs at the present shape."""
        found = pairs.pair(self._moved(coefficients[:n_modes]), noise)
        offset = found.points - self.surface.vertices[found.nodes]
        met = np.zeros(len(self.basis), np.bool_)
        met[found.nodes] = True
        rows, nodes = np.flatnonzero(met), (np.cumsum(met) - 1)[found.nodes]
        sums = PairSums.of(nodes, offset, found.normals, found.weight / noise**2, len(rows))
        return posterior_mean(self.basis[rows, :n_modes], sums, coefficients[:n_modes], self.spectra[n_modes])

    def _mean_by_points(self, pairs: Correspondences, coefficients: Floats, noise: float) -> Floats:
        """Return the posterior mean (m, 3), given the closest point of every vertex, point-to-point, by iteration.

        The three axes have the same matrix. The vertices move little, so each keeps the triangles that it looks at.
        """
        near = None
        for _ in range(FINAL_ITERATIONS):
            vertices = self.displace(coefficients)
            near = pairs.triangles_near(vertices) if near is None else near
            offset = pairs.closest_offsets(vertices, near) + vertices - self.surface.vertices
            right = projection(self.basis, offset) / noise**2
            coefficients = self.spectra[len(coefficients)].solve(1.0 / noise**2, right)
        return coefficients
