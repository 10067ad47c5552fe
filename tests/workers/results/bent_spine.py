"""A drawn CT of a spine that is bent to both sides, in voxels of any orientation, for tests of the pictures."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from workers.imaging.volume import Volume
from workers.locate.evidence import BodyEvidence
from workers.locate.levels import LEVELS
from workers.locate.named_row import NamedRow

NAMES = ("T11", "T12", "L1", "L2", "L3")
CENTRES = np.array([[18.0 * np.sin(k), 5.0 * np.cos(k), 132.0 - 33.0 * k] for k in range(5)])
"""Up to 18 mm to the right and 17 mm to the left of the middle."""
TISSUE_HU, BONE_HU = 40.0, 500.0
RADIUS_MM = 13.0


def hu_at(world: np.ndarray) -> np.ndarray:
    """Balls of bone in tissue at world points (..., 3) mm, with a rim a few mm wide; air 70 mm off the axis."""
    away = cKDTree(CENTRES).query(world)[0]
    hu = TISSUE_HU + (BONE_HU - TISSUE_HU) * np.clip((RADIUS_MM + 2.0 - away) / 4.0, 0.0, 1.0)
    return np.where(np.abs(world[..., :2]).max(axis=-1) < 70.0, hu, -1000.0)


def drawn_ct(turn: np.ndarray | None = None, step: float = 2.5) -> Volume:
    """The CT in cubic voxels along the columns of `turn` (3, 3), 264 mm long each way."""
    turn = np.eye(3) if turn is None else turn
    count = int(264.0 / step)
    affine = np.eye(4)
    affine[:3, :3] = turn * step
    affine[:3, 3] = np.array([0.0, 0.0, 66.0]) - affine[:3, :3] @ np.full(3, 0.5 * (count - 1))
    voxels = np.moveaxis(np.indices((count,) * 3), 0, -1)
    return Volume(hu_at(voxels @ affine[:3, :3].T + affine[:3, 3]).astype(np.int16), affine)


def named_row(names: tuple[str, ...] = NAMES) -> NamedRow:
    """The row of the first bodies as good networks would see them."""
    bodies = []
    for name, centre in zip(names, CENTRES, strict=False):
        appearance = np.full(len(LEVELS), 0.02)
        appearance[LEVELS.index(name)] = 0.9
        bodies.append(BodyEvidence(centre, 0.95, appearance / appearance.sum(), name.startswith("T"), "above"))
    return NamedRow(bodies)
