"""Where the voxels of a grid lie in a person's torso."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Bools, Floats, Singles
from synthetic_ct.grid import Grid
from synthetic_ct.person import Person
from synthetic_ct.torso import Torso
from synthetic_ct.vertebra import Spine

LEAST_STEP_MM = 0.5
"""No grid is finer. Guards against a division by 0."""
NECK_FORWARD_MM = 8.0
"""Distance of the neck's middle in front of the vertebral bodies' centres. Chosen by eye."""
NECK_NARROWING = 0.58
"""Share by which the neck is narrower than the chest. Chosen by eye."""
SHOULDER_LENGTH = 1.6
"""Height over which the torso narrows, over the distance from T3 to T1. Chosen by eye."""
ORGAN_WOBBLE = 4.0
"""Unevenness of the square of an organ's radius, over that of the skin's radius: twice as uneven as the skin."""


@dataclass(frozen=True)
class TorsoCoordinates:
    """Where the voxels of a grid lie in a person's torso.

    Attributes
    ----------
    x, y, z
        (i, 1, 1), (1, j, 1), (1, 1, k) float32: world coordinates, mm RAS.
    spine_x, spine_y
        (1, 1, k) float32: centre of the vertebral bodies at each height, mm.
    wobble
        (i, j, k) float32: smooth noise that makes outlines uneven.
    radius
        (i, j, k): 0 in the middle of the torso, 1 at the skin.
    spacing
        Of the grid, mm.
    torso
        Outline of the torso.
    l1
        (3,) centre of L1, mm RAS, or of the uppermost vertebra where there is no L1.
    """

    x: Singles
    y: Singles
    z: Singles
    spine_x: Singles
    spine_y: Singles
    wobble: Singles
    radius: Floats
    spacing: float
    torso: Torso
    l1: Floats

    @classmethod
    def of(cls, person: Person, grid: Grid, wobble: Singles) -> TorsoCoordinates:
        """Return the coordinates of a grid's voxels in `person`."""
        torso, spine = person.torso, person.spine
        x, y, z = grid.axes
        spine_x, spine_y = interpolate_along_z(np.array([v.centre for v in spine.vertebrae]), z)
        width = _width(spine, z)
        middle_x = torso.centre[0] * width + spine_x * (1.0 - width)
        middle_y = torso.centre[1] * width + (spine_y + NECK_FORWARD_MM) * (1.0 - width)
        square = ((x - middle_x) / (torso.half[0] * width)) ** 2 + ((y - middle_y) / (torso.half[1] * width)) ** 2
        radius = np.sqrt(square) * (1.0 + wobble)
        l1 = next((v.centre for v in spine.vertebrae if v.level == "L1"), spine.vertebrae[0].centre)
        return cls(x, y, z, spine_x, spine_y, wobble, radius, grid.spacing, torso, l1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        i, j, k = self.wobble.shape
        return i, j, k

    @property
    def step(self) -> float:
        """Distance of two planes along z, mm, as the float32 coordinates give it."""
        return max(float(self.z.ravel()[1] - self.z.ravel()[0]), LEAST_STEP_MM)

    def ellipsoid(self, centre: Floats, half: Floats) -> Bools:
        """Return (i, j, k) which voxels lie in an uneven ellipsoid with this centre (3,) and half widths (3,), mm."""
        a, b, c = half
        x, y, z = self.x, self.y, self.z
        square = ((x - centre[0]) / a) ** 2 + ((y - centre[1]) / b) ** 2 + ((z - centre[2]) / c) ** 2
        return np.asarray(square < 1.0 + ORGAN_WOBBLE * self.wobble)


def interpolate_along_z(points: Floats, z: Singles) -> tuple[Singles, Singles]:
    """Return x and y (1, 1, k) float32, mm, of the line through `points` (n, 3) at the heights `z` (1, 1, k)."""
    order = np.argsort(points[:, 2])
    x, y = (np.interp(z, points[order, 2], points[order, axis]).astype(np.float32) for axis in (0, 1))
    return x, y


def _width(spine: Spine, z: Singles) -> Singles:
    """Return (1, 1, k) the width of the torso at each height: 1 in the chest, less than half of it in the neck."""
    at = {v.level: float(v.centre[2]) for v in spine.vertebrae}
    if "T1" not in at or "T3" not in at:
        return np.ones_like(z)
    t = np.clip((z - at["T3"]) / (SHOULDER_LENGTH * (at["T1"] - at["T3"])), 0.0, 1.0)
    return np.asarray(1.0 - NECK_NARROWING * t * t * (3.0 - 2.0 * t), np.float32)
