"""Where each label of a label map lies, and how large it is: what tells the convention of its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats, Integers
from workers.imaging.volume import Volume

SAMPLE_MM = 3.0
"""The map is looked at in points so far apart: a vertebra has 1000 and more, so its centre is known within 1 mm."""


@dataclass(frozen=True)
class LabelPlace:
    """One label of a label map.

    Attributes
    ----------
    label
        Its number.
    centre
        (3,) float64, mm, world RAS+: centroid of all its voxels.
    cm3
        Its volume, cm³.
    cut
        Whether it touches a face of the map, so that a part of it may be missing.
    """

    label: int
    centre: Floats
    cm3: float
    cut: bool


def label_places(mask: Volume) -> list[LabelPlace]:
    """Return the place of each label that is large enough to have a sample point, by its number."""
    step = np.maximum(1, np.rint(SAMPLE_MM / mask.spacing)).astype(int)
    sampled = mask.voxels[:: step[0], :: step[1], :: step[2]]
    size = int(sampled.max(initial=0)) + 1
    counts, sums = np.zeros(size), np.zeros((3, size))
    rows, columns = (index.ravel() for index in np.indices(sampled.shape[:2]))
    for k in range(sampled.shape[2]):
        plane = sampled[:, :, k].ravel()
        found = np.bincount(plane, minlength=size)
        counts += found
        sums += np.stack([np.bincount(plane, rows, size), np.bincount(plane, columns, size), found * float(k)])
    cut = _on_a_face(mask)
    voxel_cm3 = mask.voxel_mm3 * float(np.prod(step)) / 1000.0
    places = []
    for label in np.flatnonzero(counts[1:]) + 1:
        index = sums[:, label] / counts[label] * step
        centre = mask.affine[:3, :3] @ index + mask.affine[:3, 3]
        places.append(LabelPlace(int(label), centre, float(counts[label]) * voxel_cm3, int(label) in cut))
    return places


def _on_a_face(mask: Volume) -> set[int]:
    """Return the labels that touch a face of the map."""
    faces: list[Integers] = []
    for axis in range(3):
        faces += [np.unique(np.take(mask.voxels, end, axis=axis)) for end in (0, -1)]
    return {int(label) for label in np.unique(np.concatenate(faces))}
