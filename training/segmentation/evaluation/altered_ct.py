"""A real CT with its labels, altered: another body, field of view, protocol.

There are few real CTs that no network has seen. One suffices for this test: is the vertebra still found in a person who
is smaller, larger, bent or askew? Or in a scan with less field of view, thicker slices or more noise? The ranges are by
judgement.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.types import Floats, Singles
from synthetic_ct.rotation import rotation_matrix
from workers.imaging.resampling import AIR_HU, HIGHEST_HU
from workers.imaging.volume import Volume

SIZE_SD, PROPORTION_SD = 0.08, 0.05
"""Standard deviations of the logarithms of the body's size and of each axis' part in it."""
TURN_DEG = 6.0
"""Standard deviation of the turn about each axis."""
WAVES, WAVE_MM, SWAY_MM = 4, (90.0, 250.0), 2.0
"""Smooth displacements: how many, their lengths, the standard deviation of each one's amplitude along each axis."""
PIXEL_MM, SLICE_MM = (1.5, 3.0), (1.5, 5.0)
"""Voxels of the altered CT; the original has 3 mm."""
SLICE_BLUR = 0.3
"""Blur along z, slices: a slice averages over its thickness, 1 / √12 = 0.29."""
GAIN, OFFSET_SD_HU = (0.93, 1.07), 10.0
"""Gain and offset of what is not air."""
NOT_AIR_HU = -900.0
NOISE_HU = (4.0, 50.0)
NARROW_SHARE, NARROW_MM, NARROW_ERROR_MM = 0.5, 75.0, 8.0
"""How often the field of view is about the spine alone, half its side, and its middle's standard deviation."""
BEHIND_MM = 20.0
"""The middle of a narrow field of view lies so far behind those of the bodies."""
END_SHARE, BEYOND_MM = 0.7, (25.0, 60.0)
"""How often a scan ends near a vertebra at the top, and at the bottom, and how far beyond its body centre."""


def alter_ct(
    random: np.random.Generator, ct: Volume, labels: Volume, centres: dict[str, Floats]
) -> tuple[Volume, Volume]:
    """Return a CT and its labels, altered at random.

    Parameters
    ----------
    random
        Generator of all draws.
    ct, labels
        HU and label values; any orientation.
    centres
        (3,) mm RAS of the vertebral bodies in it, from top to bottom.

    Returns
    -------
    ct, labels
        int16 HU, and labels (uint8) on the same grid, RAS. What the original does not show is air.
    """
    middle = np.mean(list(centres.values()), axis=0)
    size = np.exp(random.normal(0.0, SIZE_SD) + random.normal(0.0, PROPORTION_SD, 3))
    size[0] *= random.choice([-1.0, 1.0])
    move = rotation_matrix(np.radians(random.normal(0.0, TURN_DEG, 3))) * size
    step = np.array([*[random.uniform(*PIXEL_MM)] * 2, random.uniform(*SLICE_MM)])
    bodies = (np.array(list(centres.values())) - middle) @ move.T
    low, high = _field_of_view(random, bodies, (_corners(ct) - middle) @ move.T)
    shape = np.ceil((high - low) / step).astype(int) + 1
    new = np.moveaxis(np.indices(tuple(shape)), 0, -1) * step + low
    old = new @ np.linalg.inv(move).T + middle + _sway(random, new)
    hu = _vary_hu(random, _values_at(ct, old, AIR_HU, 1))
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = low
    return Volume(hu, affine), Volume(_values_at(labels, old, 0.0, 0).astype(np.uint8), affine)


def _corners(ct: Volume) -> Floats:
    """Return the eight corners (8, 3) mm RAS of a volume."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(ct.voxels.shape) - 1)
    return corners @ ct.affine[:3, :3].T + ct.affine[:3, 3]


def _field_of_view(random: np.random.Generator, bodies: Floats, corners: Floats) -> tuple[Floats, Floats]:
    """Return the corners (3,) mm of the new scan: some vertebrae, over the width of the original or the spine alone.

    `bodies` (n, 3) are the altered body centres from top to bottom, `corners` (8, 3) those of the original scan.
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    if random.random() < NARROW_SHARE:
        aside = random.normal(0.0, NARROW_ERROR_MM, 2) - [0.0, BEHIND_MM]
        low[:2], high[:2] = aside - NARROW_MM, aside + NARROW_MM
    first, last = sorted(random.choice(len(bodies), 2, replace=False))
    ends = low[2], high[2]
    if random.random() < END_SHARE:
        high[2] = min(bodies[first, 2] + random.uniform(*BEYOND_MM), ends[1])
    if random.random() < END_SHARE:
        low[2] = max(bodies[last, 2] - random.uniform(*BEYOND_MM), ends[0])
    return low, high


def _vary_hu(random: np.random.Generator, image: Singles) -> NDArray[np.int16]:
    """Return an image with the blur of its slices, another gain, offset and noise, as a scanner stores it."""
    image = ndimage.gaussian_filter1d(image, SLICE_BLUR, axis=2)
    inside = image > NOT_AIR_HU
    image = np.where(inside, image * random.uniform(*GAIN) + random.normal(0.0, OFFSET_SD_HU), image)
    noise = np.exp(random.uniform(*np.log(NOISE_HU)))
    image = image + noise * random.standard_normal(image.shape, np.float32)
    return np.clip(np.rint(image), AIR_HU, HIGHEST_HU).astype(np.int16)


def _sway(random: np.random.Generator, points: Floats) -> Floats:
    """Return smooth displacements (…, 3) mm at points (…, 3)."""
    out = np.zeros_like(points)
    for _ in range(WAVES):
        direction = random.standard_normal(3)
        wave = direction / np.linalg.norm(direction) * 2.0 * np.pi / random.uniform(*WAVE_MM)
        out += np.sin(points @ wave + random.uniform(0.0, 2.0 * np.pi))[..., None] * random.normal(0.0, SWAY_MM, 3)
    return out


def _values_at(volume: Volume, points: Floats, outside: float, order: Literal[0, 1]) -> Singles:
    """Return a volume's values (float32) at points (…, 3) mm RAS: of the nearest voxel (order 0) or linear (1)."""
    voxels = (points - volume.affine[:3, 3]) @ np.linalg.inv(volume.affine[:3, :3]).T
    coordinates = np.moveaxis(voxels, -1, 0)
    values = volume.voxels.astype(np.float32)
    return np.asarray(ndimage.map_coordinates(values, coordinates, order=order, mode="constant", cval=outside))
