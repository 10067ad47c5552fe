"""The planes of hostile masks, made one at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.hostile.files import Plane
from tests.workers.template_vertebra import template_vertebra

Shape = tuple[int, int, int]
BODY_MM = 0.9
"""Voxel side of a CT of a whole person."""


def whole_vertebra(shape: Shape) -> Plane:
    """The template's vertebra of voxels of `BODY_MM` in the middle."""
    voxels = template_vertebra(BODY_MM).voxels
    low = [(n - m) // 2 for n, m in zip(shape, voxels.shape, strict=True)]

    def plane(k: int) -> NDArray[Any]:
        out = np.zeros(shape[:2], np.uint8)
        if 0 <= k - low[2] < voxels.shape[2]:
            out[low[0] : low[0] + voxels.shape[0], low[1] : low[1] + voxels.shape[1]] = voxels[:, :, k - low[2]]
        return out

    return plane


def many_labels(shape: Shape) -> Plane:
    """1000 labels, each in planes and rows of its own."""
    i, j = np.ogrid[: shape[0], : shape[1]]
    return lambda k: 1 + (i + 7 * j + 31 * k) % 1000 + np.zeros(shape[:2], int)


def shells(shape: Shape) -> Plane:
    """Boxes within boxes, one voxel thick, joined by a rod: all surface, one piece."""
    i, j = np.indices(shape[:2])

    def plane(k: int) -> NDArray[Any]:
        depth = np.minimum.reduce([i, j, shape[0] - 1 - i, shape[1] - 1 - j, np.full_like(i, min(k, shape[2] - 1 - k))])
        return (depth % 2 == 1) | ((i == shape[0] // 2) & (j == shape[1] // 2)) & (depth > 0)

    return plane


def menger(shape: Shape) -> Plane:
    """A Menger sponge of side 3^n in the middle: a fractal with enormous surface area."""
    side = 3 ** int(np.log(min(shape)) / np.log(3) + 1e-9)
    low = [(n - side) // 2 for n in shape]
    i, j = np.ogrid[:side, :side]

    def plane(k: int) -> NDArray[Any]:
        out = np.zeros(shape[:2], np.uint8)
        z = k - low[2]
        if 0 <= z < side:
            kept, step = np.ones((side, side), bool), 1
            while step < side:
                middle = [(n // step) % 3 == 1 for n in (i, j, np.array(z))]
                kept &= (middle[0].astype(int) + middle[1] + middle[2]) < 2
                step *= 3
            out[low[0] : low[0] + side, low[1] : low[1] + side] = kept
        return out

    return plane


def islands(shape: Shape) -> Plane:
    """Cubes of 3 voxels, 4 voxels apart, everywhere."""
    row, column = (np.arange(n) % 7 < 3 for n in shape[:2])
    image, none = np.outer(row, column), np.zeros(shape[:2], bool)
    return lambda k: image if k % 7 < 3 else none


def dust(shape: Shape) -> Plane:
    """Every fourth voxel along each axis."""
    image = np.zeros(shape[:2], np.uint8)
    image[::4, ::4] = 1
    none = np.zeros_like(image)
    return lambda k: none if k % 4 else image


def ball(shape: Shape) -> Plane:
    """The largest ball that leaves a tenth free on every side."""
    axes = [(np.arange(n) - 0.5 * (n - 1.0)) / (0.4 * n) for n in shape]
    flat = np.add.outer(axes[0] ** 2, axes[1] ** 2)
    return lambda k: flat + axes[2][k] ** 2 < 1.0


def rod(shape: Shape) -> Plane:
    """A thin rod along the third axis."""
    image = np.zeros(shape[:2], np.uint8)
    image[shape[0] // 3 : -(shape[0] // 3), shape[1] // 3 : -(shape[1] // 3)] = 1
    return lambda _: image
