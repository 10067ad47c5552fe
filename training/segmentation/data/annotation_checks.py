"""Whether the marks of a CT can be right: the file is the one that was marked, and each centre lies in bone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.types import Floats
from training.segmentation.data.annotations import Annotation, hash_file
from workers.imaging.point_samples import sample_points
from workers.imaging.volume import Volume, read_ct

BALL_MM = 5.0
"""Radius of the ball about a centre whose HU are averaged: it lies in the marrow of every body from T1 on."""
LEAST_HU = 20.0
"""Of the mean in that ball. The marrow of the CTs at hand has 31 to 327 HU. Fat, lung and air have less, so a centre
with a wrong sign or axis is found; a centre in a disc is not, the pictures show that."""


def check_annotation(data: Path, annotation: Annotation) -> Volume:
    """Return the CT of an annotation.

    Raises
    ------
    ValueError
        The file is another one than was marked, or a centre lies outside the scan or not in bone.
    """
    path = data / annotation.ct
    if (got := hash_file(path)) != annotation.sha256:
        raise ValueError(f"{annotation.ct}: expected the file with SHA-256 {annotation.sha256}, got {got}")
    ct = read_ct(path)
    check_centres(ct, annotation)
    return ct


def check_centres(ct: Volume, annotation: Annotation) -> None:
    """Refuse a body centre outside the scan, or not in bone (`ValueError`)."""
    grid = np.arange(-BALL_MM, BALL_MM + 1.0)
    ball = np.stack(np.meshgrid(grid, grid, grid), axis=-1).reshape(-1, 3)
    ball = ball[np.linalg.norm(ball, axis=1) <= BALL_MM]
    for body in annotation.bodies:
        if _beyond(ct, body.centre[None])[0] > 0.5:
            got = ", ".join(f"{v:g}" for v in body.centre_ras_mm)
            raise ValueError(f"{annotation.ct}: expected the centre of {body.level} in the scan, got ({got})")
        points = body.centre + ball
        hu = float(sample_points(ct, points[_beyond(ct, points) <= 0.0]).mean())
        if hu < LEAST_HU:
            expected = f"{body.level} at {body.centre_ras_mm} in bone, of {LEAST_HU:g} HU at least"
            raise ValueError(f"{annotation.ct}: expected {expected}, got a mean of {hu:.0f} HU")


def _beyond(ct: Volume, points: Floats) -> Floats:
    """Return how far points (n, 3) mm lie beyond the outermost voxel centres of a CT, in voxels; 0 inside."""
    inverse = np.linalg.inv(ct.affine)
    voxels = points @ inverse[:3, :3].T + inverse[:3, 3]
    return np.asarray(np.maximum(-voxels, voxels - (np.array(ct.voxels.shape) - 1.0)).max(axis=1).clip(min=0.0))
