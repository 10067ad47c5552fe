"""Where the voxels of a volume lie, without the voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats, Integers


@dataclass(frozen=True)
class Grid:
    """The place of a volume's voxels in the world.

    Attributes
    ----------
    shape
        Voxels along i, j, k.
    affine
        (4, 4) float64, voxel index to RAS+ mm.
    """

    shape: tuple[int, int, int]
    affine: Floats

    def planes_near(self, other: Grid, mm: float) -> slice:
        """Return the planes along the third axis that come within `mm` of another grid; at least one."""
        corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in other.shape])).reshape(3, -1)
        to_own = np.linalg.inv(self.affine) @ other.affine
        at = to_own[2, :3] @ corners + to_own[2, 3]
        margin = mm * float(np.linalg.norm(np.linalg.inv(self.affine)[2, :3]))  # indices a mm, at most
        first = int(np.clip(np.floor(at.min() - margin), 0, self.shape[2] - 1))
        return slice(first, int(np.clip(np.ceil(at.max() + margin) + 1, first + 1, self.shape[2])))


def merged_affine(affine: Floats, factor: Integers) -> Floats:
    """Return the affine (4, 4) of blocks of `factor` (3,) voxels; `affine` is that of the voxels."""
    merged = affine.copy()
    merged[:3, :3] *= factor
    merged[:3, 3] += affine[:3, :3] @ (0.5 * (factor - 1.0))
    return merged
