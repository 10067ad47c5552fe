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
"""Candidate pixels looked at in one go (bounds the memory to some tens of MB)."""


@dataclass(frozen=True)
class View:
    """An orthographic camera.

    Attributes
    ----------
    right, up, toward
        (3,) float64 unit vectors in world axes: to the right of the picture, to its top, and to the viewer.
    """

    right: Floats
    up: Floats
    toward: Floats

    @classmethod
    def looking_from(cls, toward: tuple[float, float, float], up: tuple[float, float, float] = (0, 0, 1)) -> View:
        """Build the view of a viewer who stands at `toward` (RAS+ direction), with `up` upright."""
        d = np.asarray(toward, np.float64) / np.linalg.norm(toward)
        right = np.cross(np.asarray(up, np.float64), d)
        right /= np.linalg.norm(right)
        return cls(right, np.cross(d, right), d)

    def project(self, vectors: Floats) -> Floats:
        """Express (n, 3) world vectors in (right, up, toward) coordinates."""
        return vectors @ np.stack([self.right, self.up, self.toward], axis=1)


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


def rasterise(screen: Floats, triangles: Ints, height: int, width: int) -> Hits:
    """Find the triangle seen at each pixel.

    Triangles are ranked by the depth of their centroid, which is exact enough for a surface whose triangles are small
    and do not cross; those that face away or reach beyond the picture are dropped.

    Parameters
    ----------
    screen
        (n, 3) float64: column, row (downward), depth (larger is nearer), in pixels.
    triangles
        (t, 3) int32, counter-clockwise seen from outside.
    height, width
        Size of the picture, pixels.
    """
    xy = screen[:, :2].astype(np.float32)[triangles]
    area = _cross(xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0])
    framed = ((xy >= 0) & (xy <= (width - 1, height - 1))).all(axis=(1, 2))
    front = np.flatnonzero((area < -1e-9) & framed)  # rows run downward, so facing the viewer is clockwise
    front = front[np.argsort(screen[:, 2][triangles[front]].sum(axis=1), kind="stable")]
    xy = xy[front]
    nearest = np.full(height * width, -1, np.int32)
    low = np.ceil(xy.min(axis=1)).astype(np.int32)
    side = (np.floor(xy.max(axis=1)).astype(np.int32) - low + 1).max(axis=1)
    edges = [0, 2, 3, 4, 6, 8, 11, 16, 23, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]
    for below, size in pairwise(edges):
        members = np.flatnonzero((side > below) & (side <= size))
        step = max(1, CHUNK // size**2)
        for start in range(0, len(members), step):
            _splat(nearest, xy, low, members[start : start + step], size, width)
    pixels = np.flatnonzero(nearest >= 0)
    rank = nearest[pixels]
    rows, cols = np.divmod(pixels, width)
    (v0, vx, vy), (w0, wx, wy) = _affine(xy - low[:, None].astype(np.float32))
    x, y = (cols - low[rank, 0]).astype(np.float32), (rows - low[rank, 1]).astype(np.float32)
    v, w = v0[rank] + vx[rank] * x + vy[rank] * y, w0[rank] + wx[rank] * x + wy[rank] * y
    return Hits(rows, cols, front[rank], np.stack([1 - v - w, v, w], axis=1))


def _splat(
    nearest: Ints,
    xy: Singles,
    low: Ints,
    members: NDArray[np.int64],
    size: int,
    width: int,
) -> None:
    """Write the ranks `members` into `nearest` wherever their triangle covers a pixel and is in front.

    The barycentric coordinates are affine in column and row: evaluated on a window of `size` x `size` pixels each.
    """
    corner = low[members]
    (v0, vx, vy), (w0, wx, wy) = _affine(xy[members] - corner[:, None].astype(np.float32))
    step = np.arange(size, dtype=np.float32)
    v = (v0[:, None] + vy[:, None] * step)[:, :, None] + (vx[:, None] * step)[:, None, :]
    w = (w0[:, None] + wy[:, None] * step)[:, :, None] + (wx[:, None] * step)[:, None, :]
    owner, row, col = np.nonzero((v >= 0) & (w >= 0) & (v + w <= 1))
    first = corner[:, 1].astype(np.int64) * width + corner[:, 0]
    np.maximum.at(nearest, first[owner] + row * width + col, members[owner].astype(np.int32))


def _affine(xy: Singles) -> tuple[tuple[Singles, ...], tuple[Singles, ...]]:
    """Coefficients (constant, per column, per row) of the barycentric coordinates of corners 1 and 2 of (t, 3, 2)."""
    a, ab, ac = xy[:, 0], xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0]
    scale = np.reciprocal(_cross(ab, ac))
    vx, vy = ac[:, 1] * scale, -ac[:, 0] * scale
    wx, wy = -ab[:, 1] * scale, ab[:, 0] * scale
    return (-vx * a[:, 0] - vy * a[:, 1], vx, vy), (-wx * a[:, 0] - wy * a[:, 1], wx, wy)


def _cross(u: Singles, v: Singles) -> Singles:
    out: Singles = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return out
