"""Morph the template onto a surface (paper section II.C), with a Gaussian-process morphable model.

A similarity transform is found first by iterative closest points, then the coefficients of the process: each iteration
pairs template and target both ways and takes the *closed-form* posterior mean given the pairs (Lüthi et al. 2018,
section 4), mostly point-to-plane. Few modes and much noise first, all modes and little noise last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.types import Floats, Singles
from workers.geometry.closest_point import ClosestPoint
from workers.geometry.farthest_points import farthest_points
from workers.geometry.similarity import Similarity
from workers.geometry.surface import Surface

SCHEDULE = ((40, 4.0, 4), (40, 2.0, 3), (100, 1.0, 5), (300, 0.5, 2), (300, 0.3, 2))
"""Modes used, noise in mm, iterations: coarse to fine."""
NOISE_PER_VOXEL = 0.2
"""Least noise, in voxels: below it a fit follows the staircase of the mask instead of the bone."""
POINT_TO_POINT = 0.05
"""Weight of point-to-point beside point-to-plane; keeps correspondences from sliding."""
N_CONTROL = 3000
POLISH_ITERATIONS = 4
"""Last steps, with every mode of the model and every surface node."""
POLISH_NOISE_MM = 0.25
_TILTS_DEG = (-25.0, 0.0, 25.0)


@dataclass(frozen=True)
class Fit:
    """A fitted template.

    Attributes
    ----------
    coefficients
        (m, 3) float64, whitened coefficients of the shape model, in the template frame.
    pose
        Similarity from the template frame to the world (RAS, mm).
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
        self.gram = basis.T @ basis

    def fit(self, target: Surface, voxel_mm: float) -> Fit:
        """Fit the template to `target` (world frame, mm) that came from voxels of `voxel_mm` (0 for a smooth mesh)."""
        pose = self._align(target)
        local = Surface(pose.apply_inverse(target.vertices), target.triangles)
        floor = NOISE_PER_VOXEL * voxel_mm / pose.scale
        coefficients = np.zeros((self.basis.shape[1], 3))
        pairs = _Pairs(self, local)
        for n_modes, noise, iterations in SCHEDULE:
            for _ in range(iterations):
                coefficients[:n_modes] = self._posterior_mean(pairs, coefficients, n_modes, max(noise, floor))
        for _ in range(POLISH_ITERATIONS):
            coefficients = self._polish(pairs, coefficients, max(POLISH_NOISE_MM, floor))
        return Fit(coefficients, pose)

    def _polish(self, pairs: _Pairs, coefficients: Floats, noise: float) -> Floats:
        """Posterior mean from every surface node to its closest point; the axes decouple, so it costs little."""
        vertices = self.displaced(coefficients)
        offset = pairs.closest_offsets(vertices) + vertices - self.surface.vertices
        matrix = self.gram.astype(np.float64) / noise**2
        matrix[np.diag_indices_from(matrix)] += 1.0
        right = self.basis.T @ offset.astype(np.float32) / noise**2
        return scipy.linalg.solve(matrix, right.astype(np.float64), assume_a="pos", check_finite=False)

    def displaced(self, coefficients: Floats) -> Floats:
        """Return the surface nodes (n, 3) in the template frame."""
        return self.surface.vertices + self.basis @ coefficients.astype(np.float32)

    def _align(self, target: Surface) -> Similarity:
        """Similarity ICP from several starts: a few quick steps each, the two closest go on, the closest wins."""
        source = self.surface.vertices[self.control[:1000]]
        dense, _ = target.sample(4000)
        icp = _SimilarityICP(source, dense)
        scale = float(np.sqrt(target.areas.sum() / self.surface.areas.sum()))
        starts = []
        for rotation in _start_rotations():
            pose = Similarity(scale, rotation, target.centroid - scale * rotation @ self.surface.centroid)
            starts.append(icp.run(pose, 8))
        starts.sort(key=lambda start: start[0])
        return min((icp.run(pose, 25) for _, pose in starts[:2]), key=lambda end: end[0])[1]

    def _posterior_mean(self, pairs: _Pairs, coefficients: Floats, n_modes: int, noise: float) -> Floats:
        """Closed-form posterior mean of the first `n_modes` coefficients, given pairs at the present shape."""
        nodes, points, normals, weight = pairs.at(self.displaced(coefficients), noise)
        phi = self.basis[nodes, :n_modes]
        offset = points - self.surface.vertices[nodes]
        root = (np.sqrt(weight) / noise).astype(np.float32)
        rows = (phi[:, :, None] * (normals * root[:, None]).astype(np.float32)[:, None, :]).reshape(len(nodes), -1)
        system = (rows.T @ rows).reshape(n_modes, 3, n_modes, 3)
        right = (rows.T @ ((offset * normals).sum(axis=1) * root).astype(np.float32)).reshape(n_modes, 3)
        isotropic = (POINT_TO_POINT * root**2)[:, None]
        gram = (phi * isotropic).T @ phi
        for axis in range(3):
            system[:, axis, :, axis] += gram
        right = right + phi.T @ (isotropic * offset)
        matrix = system.reshape(3 * n_modes, 3 * n_modes).astype(np.float64)
        matrix[np.diag_indices_from(matrix)] += 1.0
        factor = scipy.linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)
        return scipy.linalg.cho_solve(factor, right.ravel().astype(np.float64), check_finite=False).reshape(-1, 3)


def _start_rotations() -> list[Floats]:
    """Return rotations to start from: the scanner's upright, turned about the three axes, each with a few tilts."""
    turns = [np.diag(d).astype(np.float64) for d in ((1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1))]
    rotations = []
    for tilt in np.deg2rad(_TILTS_DEG):
        c, s = np.cos(tilt), np.sin(tilt)
        nod = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
        rotations += [turn @ nod for turn in turns]
    return rotations


class _SimilarityICP:
    """Two-sided iterative closest points under a similarity, with Cauchy weights."""

    def __init__(self, source: Floats, target: Floats) -> None:
        self.source, self.target = source, target
        self.tree = cKDTree(target)
        self.probe = target[::4]

    def run(self, pose: Similarity, iterations: int) -> tuple[float, Similarity]:
        """Return the mean capped distance (mm) and the pose after `iterations` steps."""
        for _ in range(iterations):
            moved = pose.apply(self.source)
            d1, i = self.tree.query(moved, workers=-1)
            d2, j = cKDTree(moved).query(self.probe, workers=-1)
            distance = np.concatenate([d1, d2])
            pose = Similarity.between(
                np.concatenate([self.source, self.source[j]]),
                np.concatenate([self.target[i], self.probe]),
                1.0 / (1.0 + (distance / 5.0) ** 2),
            )
        return float(np.minimum(distance, 10.0).mean()), pose


class _Pairs:
    """Two-sided correspondences between the moving template surface and a target in the template frame."""

    def __init__(self, morpher: SurfaceFitter, target: Surface) -> None:
        self.morpher = morpher
        self.closest = ClosestPoint(target)
        corner_normals = target.normals[target.triangles].sum(axis=1)
        self.normals = corner_normals / np.maximum(np.linalg.norm(corner_normals, axis=1, keepdims=True), 1e-12)
        self.samples, triangle = target.sample(N_CONTROL)
        self.sample_normals = self.normals[triangle]

    def closest_offsets(self, vertices: Floats) -> Floats:
        """Return (n, 3) mm from each vertex to the target; zero where the surfaces face different ways."""
        points, triangle, _ = self.closest(vertices, candidates=4)
        own_normals = Surface(vertices, self.morpher.surface.triangles).normals
        agree = (self.normals[triangle] * own_normals).sum(axis=1) > 0.2
        return (points - vertices) * agree[:, None]

    def at(self, vertices: Floats, noise: float) -> tuple[NDArray[np.intp], Floats, Floats, Floats]:
        """Return template node ids, target points, target normals and weights of the pairs at `vertices`."""
        control = self.morpher.control
        own_normals = Surface(vertices, self.morpher.surface.triangles).normals
        points, triangle, d1 = self.closest(vertices[control], candidates=4)
        d2, nearest = cKDTree(vertices).query(self.samples, workers=-1)
        nodes = np.concatenate([control, nearest])
        normals = np.concatenate([self.normals[triangle], self.sample_normals])
        distance = np.concatenate([d1, d2])
        agree = (normals * own_normals[nodes]).sum(axis=1) > 0.2
        weight = agree / (1.0 + (distance / max(9.0 * noise, 3.0)) ** 2)
        return nodes, np.concatenate([points, self.samples]), normals, weight
