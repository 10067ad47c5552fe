"""The pose of the template on a surface: iterative closest points under a similarity, from several start poses."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from models.types import Floats
from workers.geometry.similarity import Similarity
from workers.geometry.surface import Surface

N_TARGET = 4000
"""Samples of the target's area."""
REVERSE_STRIDE = 4
"""Every fourth sample of the target also looks for its closest source point, so that both directions count alike."""
CAUCHY_MM = 5.0
"""Distance at which a pair counts half; what only one of the two surfaces has (a spur, a rib) hardly counts."""
WORST_MM = 10.0
"""Distances count up to this where poses are compared, so that a few far points do not decide."""
START_STEPS, FINAL_STEPS, N_FINALISTS = 8, 60, 2
"""Steps from each start pose; the best poses of these go on for `FINAL_STEPS` more."""
START_STRIDE = 4
"""Every fourth point is enough to tell the start poses apart."""
TURNS = ((1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1))
"""Diagonals of the half turns about no axis, z, x and y: scans may hold a vertebra backwards or upside down."""
TILTS_DEG = (-25.0, 0.0, 25.0)
"""Tilts about the left-right axis, in which the vertebrae of a curved spine differ most."""


def align(surface: Surface, points: Floats, target: Surface) -> Similarity:
    """Return the similarity that carries a surface onto a target.

    A few steps from each start pose come first. The two closest poses go on; the closest end wins.

    Parameters
    ----------
    surface
        Template surface, mm, any frame; gives the size and the centroid.
    points
        (p, 3) float64, mm: vertices of the surface, evenly spread; they are what is aligned.
    target
        Surface, mm, world RAS+.
    """
    samples, _ = target.sample(N_TARGET)
    coarse = _SimilarityICP(points[::START_STRIDE], samples[::START_STRIDE])
    scale = float(np.sqrt(target.areas.sum() / surface.areas.sum()))
    starts = []
    for rotation in _start_rotations():
        pose = Similarity(scale, rotation, target.centroid - scale * rotation @ surface.centroid)
        starts.append(coarse.run(pose, START_STEPS))
    starts.sort(key=lambda start: start[0])
    icp = _SimilarityICP(points, samples)
    ends = (icp.run(pose, FINAL_STEPS) for _, pose in starts[:N_FINALISTS])
    return min(ends, key=lambda end: end[0])[1]


def _start_rotations() -> list[Floats]:
    """Return the rotations (3, 3) to start from: every half turn after every tilt."""
    turns = [np.diag(d).astype(np.float64) for d in TURNS]
    rotations = []
    for tilt in np.deg2rad(TILTS_DEG):
        c, s = np.cos(tilt), np.sin(tilt)
        about_x = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
        rotations += [turn @ about_x for turn in turns]
    return rotations


class _SimilarityICP:
    """Iterative closest points in both directions under a similarity, with Cauchy weights.

    Parameters
    ----------
    source, target
        (p, 3) and (q, 3) float64, mm.
    """

    def __init__(self, source: Floats, target: Floats) -> None:
        self.source, self.target = source, target
        self.tree = cKDTree(target)
        self.reverse = target[::REVERSE_STRIDE]

    def run(self, pose: Similarity, steps: int) -> tuple[float, Similarity]:
        """Return the mean distance before the last step, capped, in mm, and the pose after `steps` steps."""
        for _ in range(steps):
            moved = pose.apply(self.source)
            d1, i = self.tree.query(moved)
            d2, j = cKDTree(moved).query(self.reverse)
            distance = np.concatenate([d1, d2])
            pose = Similarity.between(
                np.concatenate([self.source, self.source[j]]),
                np.concatenate([self.target[i], self.reverse]),
                1.0 / (1.0 + (distance / CAUCHY_MM) ** 2),
            )
        return float(np.minimum(distance, WORST_MM).mean()), pose
