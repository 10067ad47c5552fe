"""The pose of the template on a surface: iterative closest points under a similarity, from several start poses."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.spatial.transform import Rotation

from models.types import Floats
from workers.geometry.point_tree import point_tree
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
START_STEPS, FINAL_STEPS = 8, 60
"""Steps from each start pose, and of those that go on from there."""
SAME_DEG, MAY_WIN = 45.0, 1.2
"""The closest pose goes on, and the closest that faces another way, by more than `SAME_DEG`, unless its distance is
more than `MAY_WIN` times that of the first. On 33 real vertebrae the two closest poses ended as one within 1.2°, all
but once. Poses that faced another way were 1.09 to 1.6 times as far, and that at 1.09 ended far behind."""
STILL_MM = 1e-4
"""A step that moves no point further is the last: the pairs stay as they are, and each step moves less than the last.
Most poses come to rest within 30 steps."""
START_STRIDE = 4
"""Every fourth point is enough to tell the start poses apart."""
TURNS = ((1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1))
"""Diagonals of the half turns about no axis, z, x and y: scans may hold a vertebra backwards or upside down."""
TILTS_DEG = (-25.0, 0.0, 25.0)
"""Tilts about the left-right axis, in which the vertebrae of a curved spine differ most."""
FAR_MM, FAR_START_MM = 3.0, 4.6
"""Mean distances, in the template's size, of the best pose at its end and after its first steps. More start poses are
tried where both are larger. On 47 upright vertebrae the first steps came within 2.7 to 4.5 mm, the end within 1.3 to
3.6 mm. Of the same vertebrae in 141 random turns 75 ended wrong: at 4.7 mm or more after the first steps."""
WIDE_FINALISTS = 3
"""Poses that go on from `wide_rotations`, each facing another way."""


End = tuple[float, Similarity]
"""Mean distance, mm, and pose, from `_SimilarityICP.run`."""


def align(surface: Surface, points: Floats, target: Surface) -> Similarity:
    """Return the similarity that carries a surface onto a target.

    A few steps from each start pose come first. The closest pose goes on, and one that faces another way if it may win.
    If the end is far off, the vertebra may lie in the file as no patient does: then poses from all directions are tried
    too.

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
    icp = _SimilarityICP(points, samples)
    scale = float(np.sqrt(target.areas.sum() / surface.areas.sum()))

    def ends(rotations: Iterable[Floats]) -> list[End]:
        starts = (Similarity(scale, r, target.centroid - scale * r @ surface.centroid) for r in rotations)
        return sorted((coarse.run(start, START_STEPS) for start in starts), key=_distance)

    def best(chosen: Iterable[End]) -> End:
        return min((icp.run(pose, FINAL_STEPS) for _, pose in chosen), key=_distance)

    first = ends(_start_rotations())
    end = best(_finalists(first))
    if end[0] > FAR_MM * end[1].scale and first[0][0] > FAR_START_MM * first[0][1].scale:
        end = min(end, best(_facing_apart(ends(wide_rotations()))[:WIDE_FINALISTS]), key=_distance)
    return end[1]


def _distance(end: End) -> float:
    return end[0]


def _finalists(ends: list[End]) -> list[End]:
    """Return the closest pose, and the closest of those that face another way where that may win; `ends` are sorted."""
    first = ends[0]
    others = (end for end in ends if _degrees_between(first[1], end[1]) > SAME_DEG)
    other = next(others, None)
    return [first] if other is None or other[0] > MAY_WIN * first[0] else [first, other]


def _facing_apart(ends: list[End]) -> list[End]:
    """Return those of the poses, closest first, that face another way than all that are closer; `ends` are sorted."""
    apart: list[End] = []
    for end in ends:
        if all(_degrees_between(end[1], closer[1]) > SAME_DEG for closer in apart):
            apart.append(end)
    return apart


def _degrees_between(a: Similarity, b: Similarity) -> float:
    """Return the angle of the rotation from one pose to another."""
    return float(np.degrees(Rotation.from_matrix(a.rotation.T @ b.rotation).magnitude()))


def wide_rotations() -> list[Floats]:
    """Return the rotations (3, 3) of an icosahedron: every rotation is within 45° of one of these 60."""
    return list(Rotation.create_group("I").as_matrix())


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
        self.source_tree, self.target_tree = point_tree(source), point_tree(target)
        self.reverse = target[::REVERSE_STRIDE]

    def run(self, pose: Similarity, steps: int) -> tuple[float, Similarity]:
        """Return the mean distance before the last step, capped, in mm, and the pose after `steps` steps.

        Steps that would change nothing any more are not taken.
        """
        moved = pose.apply(self.source)
        for _ in range(steps):
            d1, i = self.target_tree.query(moved)
            d2, j = self.source_tree.query(pose.apply_inverse(self.reverse))
            distance = np.concatenate([d1, d2 * pose.scale])
            pose = Similarity.between(
                np.concatenate([self.source, self.source[j]]),
                np.concatenate([self.target[i], self.reverse]),
                1.0 / (1.0 + (distance / CAUCHY_MM) ** 2),
            )
            before, moved = moved, pose.apply(self.source)
            if np.abs(moved - before).max() < STILL_MM:
                break
        return float(np.minimum(distance, WORST_MM).mean()), pose
