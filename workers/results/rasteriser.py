"""A small software renderer for closed triangle surfaces: orthographic, z-ordered, in numpy.

No OpenGL, no X server, no threads: the picture is the same on a laptop, in a container without graphics libraries and
in a forked worker process. 47 k triangles on 1,000 x 1,000 pixels take about 0.05 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.types import Floats, Ints, Reals, Singles

CHUNK = 2_000_000
"""Candidate pixels that are tested in one go (bounds the memory to some tens of MB)."""
LEAST_AREA = 1e-9
"""Twice the area, square pixels, below which a triangle is seen edge-on and covers no pixel."""
WINDOW_SIDES = (0, 2, 3, 4, 6, 8, 11, 16, 23, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Triangles are grouped by the square window that holds them, pixels. Steps of about √2 up to 32, where most triangles
are, keep the pixels that are tested in vain few; the last is beyond any picture."""


@dataclass(frozen=True)
class Hits:
    """The visible surface, pixel by pixel.

    Attributes
    ----------
    rows, cols
        (p,) int64: the covered pixels.
    faces
        (p,) int64: the triangle seen there.
    weights
        (p, 3) float32: barycentric coordinates in that triangle.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    faces: NDArray[np.int64]
    weights: Singles

    def interpolate(self, triangles: Ints, nodal: Reals) -> Singles:
        """Interpolate nodal values (n,) or (n, k) to the covered pixels, float32."""
        corners = nodal.astype(np.float32)[triangles[self.faces]]
        return np.einsum("pc,pc...->p...", self.weights, corners)


@dataclass(frozen=True)
class _Facing:
    """The triangles that face the viewer, from back to front.

    Attributes
    ----------
    faces
        (f,) int64 ids.
    xy
        (f, 3, 2) float32: column and row of each corner.
    low
        (f, 2) int32: first column and row of the window around each.
    """

    faces: NDArray[np.int64]
    xy: Singles
    low: Ints

    @property
    def sides(self) -> Ints:
        """(f,) int32: side of the smallest square window that holds each triangle, pixels."""
        return (np.floor(self.xy.max(axis=1)).astype(np.int32) - self.low + 1).max(axis=1)


def rasterise(screen: Floats, triangles: Ints, height: int, width: int) -> Hits:
    """Find the triangle seen at each pixel.

    Triangles are ranked by the depth of their centroid, which is exact enough for a surface whose triangles are small
    and do not cross. Those that face away or reach beyond the picture are dropped.

    Parameters
    ----------
    screen
        (n, 3) float64: column, row (downward), depth (larger is nearer), in pixels.
    triangles
        (t, 3) int32, counter-clockwise seen from outside.
    height, width
        Size of the picture, pixels.
    """
    facing = _facing_triangles(screen, triangles, height, width)
    nearest = np.full((height, width), -1, np.int32)
    sides = facing.sides
    for below, side in pairwise(WINDOW_SIDES):
        members = np.flatnonzero((sides > below) & (sides <= side))
        step = max(1, CHUNK // side**2)
        for start in range(0, len(members), step):
            _cover(nearest, facing, members[start : start + step], side)
    pixels = np.flatnonzero(nearest >= 0)
    rank = nearest.ravel()[pixels]
    rows, cols = np.divmod(pixels, width)
    (v0, vx, vy), (w0, wx, wy) = _barycentric(facing.xy - facing.low[:, None].astype(np.float32))
    x, y = (cols - facing.low[rank, 0]).astype(np.float32), (rows - facing.low[rank, 1]).astype(np.float32)
    v, w = v0[rank] + vx[rank] * x + vy[rank] * y, w0[rank] + wx[rank] * x + wy[rank] * y
    return Hits(rows, cols, facing.faces[rank], np.stack([1 - v - w, v, w], axis=1))


def _facing_triangles(screen: Floats, triangles: Ints, height: int, width: int) -> _Facing:
    xy = screen[:, :2].astype(np.float32)[triangles]
    area = _cross(xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0])
    inside = ((xy >= 0) & (xy <= (width - 1, height - 1))).all(axis=(1, 2))
    faces = np.flatnonzero((area < -LEAST_AREA) & inside)  # rows run downward, so facing the viewer is clockwise
    faces = faces[np.argsort(screen[:, 2][triangles[faces]].sum(axis=1), kind="stable")]
    return _Facing(faces, xy[faces], np.ceil(xy[faces].min(axis=1)).astype(np.int32))


def _cover(nearest: Ints, facing: _Facing, members: NDArray[np.int64], side: int) -> None:
    """Write the ranks `members` into `nearest` (height, width) wherever their triangle covers a pixel and is in front.

    Each triangle is tested on a window of `side` x `side` pixels.
    """
    low = facing.low[members]
    (v0, vx, vy), (w0, wx, wy) = _barycentric(facing.xy[members] - low[:, None].astype(np.float32))
    step = np.arange(side, dtype=np.float32)
    v = (v0[:, None] + vy[:, None] * step)[:, :, None] + (vx[:, None] * step)[:, None, :]
    w = (w0[:, None] + wy[:, None] * step)[:, :, None] + (wx[:, None] * step)[:, None, :]
    owner, row, col = np.nonzero((v >= 0) & (w >= 0) & (v + w <= 1))
    width = nearest.shape[1]
    first = low[:, 1].astype(np.int64) * width + low[:, 0]
    np.maximum.at(nearest.reshape(-1), first[owner] + row * width + col, members[owner].astype(np.int32))


def _barycentric(xy: Singles) -> tuple[tuple[Singles, ...], tuple[Singles, ...]]:
    """Return coefficients (constant, per column, per row) of the barycentric coordinates of corners 1 and 2.

    `xy` (t, 3, 2) has column and row of each corner; the coordinates are affine in both.
    """
    a, ab, ac = xy[:, 0], xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0]
    scale = np.reciprocal(_cross(ab, ac))
    vx, vy = ac[:, 1] * scale, -ac[:, 0] * scale
    wx, wy = -ab[:, 1] * scale, ab[:, 0] * scale
    return (-vx * a[:, 0] - vy * a[:, 1], vx, vy), (-wx * a[:, 0] - wy * a[:, 1], wx, wy)


def _cross(u: Singles, v: Singles) -> Singles:
    out: Singles = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return out
