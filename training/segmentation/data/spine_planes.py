"""Planes of a CT that follow a curved spine, so that one picture shows every vertebral body through its middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats, Singles
from workers.imaging.point_samples import sample_points
from workers.imaging.volume import Volume

PLANE_STEP_MM = 0.7
"""Distance of the pixels: finer than the pixels of the finest CT at hand (0.78 mm)."""
SLAB_MM = (-4.0, -2.0, 0.0, 2.0, 4.0)
"""Planes beside each other that are averaged, so that noise does not hide a disc."""
RIB_SLAB_MM = tuple(range(-45, -9, 2))
"""Planes behind the body centres where ribs and transverse processes start; the brightest pixel is shown."""
SIDEWAYS_MM, BEHIND_MM, BEFORE_MM = 60.0, 60.0, 35.0
"""How far a plane reaches beside, behind and before the curve."""


@dataclass(frozen=True)
class SpinePlane:
    """A picture of a CT along the spine.

    Attributes
    ----------
    hu
        (heights, columns) float32.
    columns
        (columns,) mm: world y of a sagittal picture, world x of a coronal one.
    heights
        (heights,) mm: world z.
    """

    hu: Singles
    columns: Floats
    heights: Floats


@dataclass(frozen=True)
class SpineCurve:
    """Where the spine runs: ``points`` (n, 3) mm RAS in any order, two at least, or one for a straight curve."""

    points: Floats

    def at(self, heights: Floats) -> Floats:
        """Return the points (n, 3) at world heights (n,) mm; beyond the ends x and y stay."""
        own = self.points[np.argsort(self.points[:, 2])]
        return np.stack([np.interp(heights, own[:, 2], own[:, a]) for a in (0, 1)] + [heights], axis=1)


def scan_heights(ct: Volume) -> tuple[float, float]:
    """Return the lowest and the highest world z of the voxel centres, mm."""
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in ct.voxels.shape])).reshape(3, -1)
    z = ct.affine[2, :3] @ corners + ct.affine[2, 3]
    return float(z.min()), float(z.max())


def cut_sagittal(ct: Volume, curve: SpineCurve, low: float, high: float) -> SpinePlane:
    """Return the mean of `SLAB_MM` about the sagittal plane along the curve, from height `low` to `high` mm."""
    return _cut(ct, curve, (low, high), 1, (-BEHIND_MM, BEFORE_MM), SLAB_MM)


def cut_coronal(ct: Volume, curve: SpineCurve, low: float, high: float) -> SpinePlane:
    """Return the mean of `SLAB_MM` about the coronal plane along the curve, from height `low` to `high` mm."""
    return _cut(ct, curve, (low, high), 0, (-SIDEWAYS_MM, SIDEWAYS_MM), SLAB_MM)


def project_ribs(ct: Volume, curve: SpineCurve, low: float, high: float) -> SpinePlane:
    """Return the brightest pixels of the coronal planes `RIB_SLAB_MM` behind the curve."""
    return _cut(ct, curve, (low, high), 0, (-SIDEWAYS_MM, SIDEWAYS_MM), RIB_SLAB_MM, brightest=True)


def cut_axial(ct: Volume, centre: Floats, half_mm: float) -> SpinePlane:
    """Return the axial plane through a point (3,) mm, `half_mm` to all sides; ``heights`` are world y."""
    offsets = np.arange(-half_mm, half_mm + PLANE_STEP_MM, PLANE_STEP_MM)
    x, y = centre[0] + offsets, centre[1] + offsets
    world = np.empty((len(y), len(x), 3))
    world[..., 0], world[..., 1], world[..., 2] = x, y[:, None], centre[2]
    return SpinePlane(sample_points(ct, world), x, y)


def _cut(
    ct: Volume,
    curve: SpineCurve,
    ends: tuple[float, float],
    axis: int,
    reach: tuple[float, float],
    slab: tuple[float, ...],
    brightest: bool = False,
) -> SpinePlane:
    """Return a plane whose columns run along world axis `axis`, averaged or projected along the other one."""
    heights = np.arange(ends[0], ends[1] + PLANE_STEP_MM, PLANE_STEP_MM)
    along = curve.at(heights)
    columns = np.arange(along[:, axis].min() + reach[0], along[:, axis].max() + reach[1], PLANE_STEP_MM)
    planes = []
    for offset in slab:
        world = np.empty((len(heights), len(columns), 3))
        world[..., axis], world[..., 1 - axis] = columns, (along[:, 1 - axis] + offset)[:, None]
        world[..., 2] = heights[:, None]
        planes.append(sample_points(ct, world))
    hu = np.max(planes, axis=0) if brightest else np.mean(planes, axis=0)
    return SpinePlane(np.asarray(hu, np.float32), columns, heights)
