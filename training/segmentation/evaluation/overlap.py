"""How well a mask agrees with a reference: overlap (paper eqs. 6 to 9) and distances between the surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Bools, Singles
from workers.geometry.closest_point import surface_distance
from workers.imaging.volume import Volume
from workers.mesh.mask_surface import extract_surface


@dataclass(frozen=True)
class Overlap:
    """Overlap of a mask with a reference.

    Attributes
    ----------
    dsc, fnd, fpd, recall
        Paper eqs. 6 to 9: Dice similarity, false negative and false positive Dice, recall; 0 to 1, or 0 to 2.
    mean_mm, p95_mm
        Mean and 95th percentile of the distances between the surfaces, both ways; nan without common voxels.
    """

    dsc: float
    fnd: float
    fpd: float
    recall: float
    mean_mm: float
    p95_mm: float


def compare_masks(found: Volume, reference: Volume) -> Overlap:
    """Compare a mask with a reference (both 0 or 1), voxel by voxel of the reference."""
    found_on_grid, expected = mask_on_grid(found, reference), reference.voxels > 0
    tp = float((found_on_grid & expected).sum())
    fn, fp = float(expected.sum()) - tp, float(found_on_grid.sum()) - tp
    total = max(2.0 * tp + fn + fp, 1.0)
    if tp == 0.0:
        return Overlap(0.0, 2.0 * fn / total, 2.0 * fp / total, 0.0, float("nan"), float("nan"))
    distance = surface_distance(
        extract_surface(found.voxels > 0, found.affine), extract_surface(expected, reference.affine)
    )
    return Overlap(
        2.0 * tp / total,
        2.0 * fn / total,
        2.0 * fp / total,
        tp / (tp + fn),
        float(distance.mean()),
        float(np.quantile(distance, 0.95)),
    )


def dice(found: Volume, reference: Volume) -> float:
    """Return the Dice similarity of two masks (0 or 1) on the voxels of the reference."""
    found_on_grid, expected = mask_on_grid(found, reference), reference.voxels > 0
    return float(2.0 * (found_on_grid & expected).sum() / max(found_on_grid.sum() + expected.sum(), 1))


def mask_on_grid(mask: Volume, grid: Volume) -> Bools:
    """Return which voxels of `grid` have their centre inside a mask (0 or 1), interpolated."""
    return values_on_grid(Volume(mask.voxels.astype(np.float32), mask.affine), grid) > 0.5


def values_on_grid(volume: Volume, grid: Volume) -> Singles:
    """Return the values of a volume (float32) at the voxel centres of `grid`, linearly interpolated, 0 outside."""
    to_voxel = np.linalg.inv(volume.affine) @ grid.affine
    return np.asarray(
        ndimage.affine_transform(
            volume.voxels, to_voxel[:3, :3], to_voxel[:3, 3], output_shape=grid.voxels.shape, order=1, cval=0.0
        )
    )
