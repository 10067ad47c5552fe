"""Surfaces of vertebrae as the rest of the code knows them, and voxels of drawn people."""

from __future__ import annotations

import numpy as np

from models.types import Floats
from synthetic_ct.anatomy import Anatomy
from synthetic_ct.vertebra import Vertebra
from workers.geometry.surface import Surface


def surface_of(vertebra: Vertebra) -> Surface:
    return Surface(vertebra.points, vertebra.surface.triangles).orient_outward()


def voxel_at(anatomy: Anatomy, point: Floats) -> tuple[int, ...]:
    """The voxel that a point (3,) of the world lies in."""
    return tuple(np.rint((point - anatomy.grid.origin) / anatomy.grid.spacing).astype(int))


def points_of(anatomy: Anatomy, label: int) -> Floats:
    """World coordinates (n, 3) of the voxels with a label."""
    return np.argwhere(anatomy.bone == label) * anatomy.grid.spacing + anatomy.grid.origin
