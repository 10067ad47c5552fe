"""Add metal to a drawn person's HU: screws in bone, with streaks through their slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.types import Bools, Floats, Singles

if TYPE_CHECKING:  # drawing needs PyVista; the ranges serve programs without it
    from synthetic_ct.anatomy import Anatomy

METAL_SHARE = 0.04
"""Share of scans with metal. Wide on purpose."""
LEAST_DEPTH_MM = 2.0
"""Least depth in bone of a screw's middle."""
MOST_SCREWS = 4
"""Largest number of screws: those of two vertebrae."""
SIDEWAYS_SD, UPWARDS_SD = 0.4, 0.2
"""Deviation of a screw's direction from straight forward, as a slope. Chosen by eye on real CTs."""
SCREW_RADIUS_MM, SCREW_HALF_LENGTH_MM = (2.0, 4.0), (10.0, 28.0)
"""Pedicle screws are about 5 to 8 mm thick and 35 to 55 mm long. Shorter ones stand for cement. Wide on purpose."""
METAL_HU = (1800.0, 8000.0)
"""HU from cement to steel, before the scanner cuts them off (`synthetic_ct.scanner.HIGHEST_HU`)."""
FEWEST_RAYS, MOST_RAYS = 3, 8
"""Number of bright rays in a star of streaks. Chosen by eye on real CTs."""
RAY_SHARPNESS = 3
"""Power of the cosine that the rays follow. It is odd, so that bright rays alternate with dark ones."""
STREAK_HU, STREAK_REACH_MM = (50.0, 400.0), (20.0, 60.0)
"""Strength of streaks at the screw, and the distance at which it has fallen to 1/e. Chosen by eye on real CTs."""
FULL_PHASE = 6.3
"""Upper end of random phases, radians: 2 pi, rounded up."""


@dataclass(frozen=True)
class Offsets:
    """Distances of all voxels from one of them, in voxels: x (i, 1, 1), y (1, j, 1) and z (1, 1, k)."""

    x: Floats
    y: Floats
    z: Floats

    @classmethod
    def of(cls, shape: tuple[int, ...], voxel: NDArray[np.int64]) -> Offsets:
        """Return the distances from `voxel` (3,) in an array of `shape`."""
        axes = (np.arange(n, dtype=np.float32) for n in shape)
        return cls(*(a.reshape([-1 if i == j else 1 for i in range(3)]) - voxel[j] for j, a in enumerate(axes)))


def add_metal(random: np.random.Generator, hu: Singles, anatomy: Anatomy, share: float = METAL_SHARE) -> None:
    """Add screws and their streaks to `hu` (i, j, k), in place, with probability `share` and where there is bone."""
    if random.random() > share:
        return
    candidates = np.argwhere((anatomy.depth > LEAST_DEPTH_MM) & (anatomy.bone > 0))
    if not len(candidates):
        return
    h = anatomy.grid.spacing
    for _ in range(random.integers(1, MOST_SCREWS + 1)):
        offsets = Offsets.of(hu.shape, candidates[random.integers(len(candidates))])
        screw = _draw_screw(random, offsets, h)
        hu[screw] = random.uniform(*METAL_HU)
        streak = _draw_streaks(random, offsets, h)
        slices = np.flatnonzero(screw.any(axis=(0, 1)))
        hu[:, :, slices] += np.where(screw[:, :, slices], 0.0, streak[:, :, None]).astype(np.float32)


def _draw_screw(random: np.random.Generator, offsets: Offsets, spacing: float) -> Bools:
    """Return (i, j, k) which voxels lie in a cylinder that points roughly forward."""
    direction = np.array([random.normal(0.0, SIDEWAYS_SD), 1.0, random.normal(0.0, UPWARDS_SD)])
    direction /= np.linalg.norm(direction)
    along = offsets.x * direction[0] + offsets.y * direction[1] + offsets.z * direction[2]
    square = offsets.x * offsets.x + offsets.y * offsets.y + offsets.z * offsets.z - along**2
    thin = square < (random.uniform(*SCREW_RADIUS_MM) / spacing) ** 2
    return np.asarray(thin & (np.abs(along) < random.uniform(*SCREW_HALF_LENGTH_MM) / spacing))


def _draw_streaks(random: np.random.Generator, offsets: Offsets, spacing: float) -> Floats:
    """Return (i, j) HU of a star of bright and dark rays in a slice."""
    angle = np.arctan2(offsets.y, offsets.x)[:, :, 0]
    distance = np.hypot(offsets.x, offsets.y)[:, :, 0] * spacing
    n_rays = random.integers(FEWEST_RAYS, MOST_RAYS + 1)
    rays = np.cos(n_rays * angle + random.uniform(0.0, FULL_PHASE)) ** RAY_SHARPNESS
    return np.asarray(random.uniform(*STREAK_HU) * rays * np.exp(-distance / random.uniform(*STREAK_REACH_MM)))
