"""The mean L1: registered source shapes, averaged (generalised Procrustes analysis)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.shape_model import ShapeModel
from models.types import Floats
from training.shapes.sources import SOURCES, Source, read_surface
from workers.geometry.farthest_points import farthest_points
from workers.geometry.similarity import Similarity
from workers.geometry.surface import Surface
from workers.mesh.surface_fit import SurfaceFitter

N_LANDMARKS, N_MODES = 2000, 600
"""Points that the shape model is built on, and its modes."""
SEED = "visible_human_L1"
"""The source whose surface is registered to all others."""
MEAN_WEIGHTS = {
    "visible_human_L1": 1.0,
    "verse005_L1": 1.5,
    "totalsegmentator_L1": 1.5,
    "clouthier_mean_L2": 1.5,
    "visible_human_L2": 0.5,
    "verse005_L2": 0.7,
    "totalsegmentator_L2": 0.7,
    "verse010_L2": 0.7,
    "verse004_L2": 0.7,
}
"""The normal L1s, and normal L2s as the nearest L1-like shapes; the compressed L1s are left out of the mean."""
SIZE_FROM = ("visible_human_L1", "verse005_L1", "totalsegmentator_L1")
"""The sources that give the mean its size: the normal L1s."""
PROCRUSTES_ROUNDS = 6
"""Rounds of aligning and averaging; the mean moves hardly in the last ones."""


def mean_shape(data: Path) -> Surface:
    """Return the weighted mean of the sources of `MEAN_WEIGHTS` and their mirror images: a surface, mm."""
    by_name: dict[str, Source] = {source.name: source for source in SOURCES}
    seed, _ = read_surface(by_name[SEED], data)
    seed = Surface(seed.vertices - seed.centroid, seed.triangles)
    model = ShapeModel.from_landmarks(seed.vertices[farthest_points(seed.vertices, N_LANDMARKS)], N_MODES)
    fitter = SurfaceFitter(seed, model.basis(seed.vertices))
    shapes, weights, sizes = [], [], []
    for name, weight in tqdm(MEAN_WEIGHTS.items(), desc="registering sources"):
        target, voxel = read_surface(by_name[name], data)
        for mirror in (1.0, -1.0):
            mirrored = Surface(target.vertices * [mirror, 1.0, 1.0], target.triangles).orient_outward()
            fit = fitter.fit(mirrored, voxel)
            shapes.append(fit.pose.apply(fitter.displace(fit.coefficients)))
            weights.append(weight)
            if name in SIZE_FROM:
                sizes.append(_rms_size(shapes[-1]))
    mean = _procrustes_mean(np.stack(shapes), np.asarray(weights), seed.vertices)
    return Surface(mean * (np.mean(sizes) / _rms_size(mean)), seed.triangles)


def _rms_size(points: Floats) -> float:
    """Return the root mean square distance, mm, of points (n, 3) from their centroid."""
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean()))


def _procrustes_mean(shapes: Floats, weights: Floats, reference: Floats) -> Floats:
    """Return the weighted generalised Procrustes mean of (k, n, 3) shapes, posed like `reference` (n, 3)."""
    mean = reference
    for _ in range(PROCRUSTES_ROUNDS):
        aligned = [Similarity.between(shape, mean).apply(shape) for shape in shapes]
        mean = np.tensordot(weights / weights.sum(), np.stack(aligned), axes=1)
        mean = Similarity.between(mean, reference).apply(mean)
    return mean
