"""A real CT as it would be of another body, scan range and protocol, with its labels.

There are few real CTs that no network has seen: one is enough to ask whether the right vertebra is still found when
the person is smaller or larger, bent, lies askew, or when the scan shows less, thicker slices or more noise.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from models.types import Floats, Singles
from synthetic_ct.rotation import rotation_matrix
from workers.imaging.volume import Volume

SIZE, PROPORTION = 0.08, 0.05
"""Standard deviations of the logarithms of the body's size and of each axis' part in it."""
TURN_DEG = 6.0
WAVES, WAVE_MM, SWAY_MM = 4, (90.0, 250.0), 2.0
"""Smooth displacements: how many, their lengths, the standard deviation of each one's amplitude along each axis."""
PIXEL_MM, SLICE_MM = (1.5, 3.0), (1.5, 5.0)
NOISE_HU = (4.0, 50.0)
NARROW_MM = 75.0
"""Half the side of a field of view about the spine alone, which one scan of two has."""
BEHIND_MM = 20.0
"""Its middle lies so far behind those of the bodies."""
BEYOND_MM = (25.0, 60.0)
"""How far a scan goes on above and below the centres of the vertebrae it is of."""


def changed(
    random: np.random.Generator, ct: Volume, labels: Volume, centres: dict[str, Floats]
) -> tuple[Volume, Volume]:
    """Return a CT and its labels, changed at random.

    Parameters
    ----------
    random
        What is drawn from.
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
    size = np.exp(random.normal(0.0, SIZE) + random.normal(0.0, PROPORTION, 3))
    size[0] *= random.choice([-1.0, 1.0])
    move = rotation_matrix(np.radians(random.normal(0.0, TURN_DEG, 3))) * size
    step = np.array([*[random.uniform(*PIXEL_MM)] * 2, random.uniform(*SLICE_MM)])
    low, high = _range(random, (np.array(list(centres.values())) - middle) @ move.T, ct, middle, move)
    shape = np.ceil((high - low) / step).astype(int) + 1
    new = np.moveaxis(np.indices(tuple(shape)), 0, -1) * step + low
    old = new @ np.linalg.inv(move).T + middle + _sway(random, new)
    image = _at(ct, old, -1024.0, 1)
    image = ndimage.gaussian_filter1d(image, 0.3, axis=2)
    inside = image > -900.0
    image = np.where(inside, image * random.uniform(0.93, 1.07) + random.normal(0.0, 10.0), image)
    noise = np.exp(random.uniform(*np.log(NOISE_HU)))
    image = image + noise * random.standard_normal(image.shape, np.float32)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = low
    hu = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
    return Volume(hu, affine), Volume(_at(labels, old, 0.0, 0).astype(np.uint8), affine)


def _range(
    random: np.random.Generator, bodies: Floats, ct: Volume, middle: Floats, move: Floats
) -> tuple[Floats, Floats]:
    """Return the corners (3,) of the new scan: some of the vertebrae, the whole of the original or the spine alone."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(ct.voxels.shape) - 1)
    world = (corners @ ct.affine[:3, :3].T + ct.affine[:3, 3] - middle) @ move.T
    low, high = world.min(axis=0), world.max(axis=0)
    if random.random() < 0.5:
        aside = random.normal(0.0, 8.0, 2) - [0.0, BEHIND_MM]
        low[:2], high[:2] = aside - NARROW_MM, aside + NARROW_MM
    first, last = sorted(random.choice(len(bodies), 2, replace=False))
    ends = low[2], high[2]
    if random.random() < 0.7:
        high[2] = min(bodies[first, 2] + random.uniform(*BEYOND_MM), ends[1])
    if random.random() < 0.7:
        low[2] = max(bodies[last, 2] - random.uniform(*BEYOND_MM), ends[0])
    return low, high


def _sway(random: np.random.Generator, points: Floats) -> Floats:
    """Return smooth displacements (…, 3) mm at points (…, 3)."""
    out = np.zeros_like(points)
    for _ in range(WAVES):
        direction = random.standard_normal(3)
        wave = direction / np.linalg.norm(direction) * 2.0 * np.pi / random.uniform(*WAVE_MM)
        out += np.sin(points @ wave + random.uniform(0.0, 2.0 * np.pi))[..., None] * random.normal(0.0, SWAY_MM, 3)
    return out


def _at(volume: Volume, points: Floats, outside: float, order: Literal[0, 1]) -> Singles:
    """Return the volume's values at points (…, 3) mm RAS."""
    voxels = (points - volume.affine[:3, 3]) @ np.linalg.inv(volume.affine[:3, :3]).T
    coordinates = np.moveaxis(voxels, -1, 0)
    values = volume.voxels.astype(np.float32)
    return np.asarray(ndimage.map_coordinates(values, coordinates, order=order, mode="constant", cval=outside))
