"""A small software renderer for closed triangle surfaces: orthographic, z-ordered.

No OpenGL, no X server: the picture is the same on a laptop, in a container without graphics libraries and in a forked
worker process. 47 k triangles on 1,000 x 1,000 pixels take about 0.02 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.types import Bools, Floats, Ints, Reals, Singles

LEAST_AREA = 1e-9
"""Twice the area, square pixels, below which a triangle is seen edge-on and covers no pixel."""


@compiled("(f4[:,:,::1], i4[:,::1], i4[:,::1])", parallel=False)
def _cover(xy, low, nearest):  # type: ignore[no-untyped-def]
    """Write the rank of each triangle (f, 3, 2) into `nearest` (height, width) wherever it covers a pixel.

    Triangles come from back to front, so the last one to cover a pixel is the one seen there. `low` (f, 2) is the
    first column and row that each may cover.
    """
    for rank in range(xy.shape[0]):
        left, top = low[rank, 0], low[rank, 1]
        (v0, vx, vy), (w0, wx, wy) = _barycentric(xy, rank, left, top)
        right = np.int32(np.floor(max(xy[rank, 0, 0], xy[rank, 1, 0], xy[rank, 2, 0])))
        bottom = np.int32(np.floor(max(xy[rank, 0, 1], xy[rank, 1, 1], xy[rank, 2, 1])))
        for row in range(top, bottom + 1):
            y = np.float32(row - top)
            v_row, w_row = v0 + vy * y, w0 + wy * y
            for column in range(left, right + 1):
                x = np.float32(column - left)
                v, w = v_row + vx * x, w_row + wx * x
                if v >= 0 and w >= 0 and v + w <= 1:
                    nearest[row, column] = rank


@compiled(parallel=False)
def _barycentric(xy, rank, left, top):  # type: ignore[no-untyped-def]
    """Coefficients (constant, per column, per row) of the barycentric coordinates of corners 1 and 2 of a triangle.

    The coordinates are affine in column and row, which count from `left` and `top`.
    """
    ax, ay = xy[rank, 0, 0] - np.float32(left), xy[rank, 0, 1] - np.float32(top)
    bx, by = xy[rank, 1, 0] - xy[rank, 0, 0], xy[rank, 1, 1] - xy[rank, 0, 1]
    cx, cy = xy[rank, 2, 0] - xy[rank, 0, 0], xy[rank, 2, 1] - xy[rank, 0, 1]
    scale = np.float32(1.0) / (bx * cy - by * cx)
    vx, vy = cy * scale, -cx * scale
    wx, wy = -by * scale, bx * scale
    return (-vx * ax - vy * ay, vx, vy), (-wx * ax - wy * ay, wx, wy)


@compiled("(f4[:,:,::1], i4[:,::1], i8[::1], i8[::1], i4[::1])", parallel=False)
def _weights(xy, low, rows, columns, ranks):  # type: ignore[no-untyped-def]
    """Barycentric coordinates (p, 3) of pixels in the triangles that are seen there."""
    out = np.empty((len(ranks), 3), np.float32)
    for p in range(len(ranks)):
        left, top = low[ranks[p], 0], low[ranks[p], 1]
        (v0, vx, vy), (w0, wx, wy) = _barycentric(xy, ranks[p], left, top)
        x, y = np.float32(columns[p] - left), np.float32(rows[p] - top)
        v, w = v0 + vx * x + vy * y, w0 + wx * x + wy * y
        out[p, 0], out[p, 1], out[p, 2] = np.float32(1.0) - v - w, v, w
    return out


@compiled("(i8[::1], f4[:,::1], i4[:,::1], f4[:,::1])", parallel=False)
def _interpolate(faces, weights, triangles, nodal):  # type: ignore[no-untyped-def]
    """Nodal values (n, k) at pixels (p,) of triangles, by their barycentric coordinates (p, 3)."""
    k = nodal.shape[1]
    out = np.empty((len(faces), k), np.float32)
    for p in range(len(faces)):
        a, b, c = triangles[faces[p], 0], triangles[faces[p], 1], triangles[faces[p], 2]
        for j in range(k):
            out[p, j] = weights[p, 0] * nodal[a, j] + weights[p, 1] * nodal[b, j] + weights[p, 2] * nodal[c, j]
    return out


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

    def where(self, chosen: Bools) -> Hits:
        """Return the chosen (p,) pixels alone."""
        return Hits(self.rows[chosen], self.cols[chosen], self.faces[chosen], self.weights[chosen])

    def interpolate(self, triangles: Ints, nodal: Reals) -> Singles:
        """Interpolate nodal values (n,) or (n, k) to the covered pixels, float32."""
        columns = np.ascontiguousarray(nodal, np.float32).reshape(len(nodal), -1)
        values: Singles = _interpolate(self.faces, self.weights, triangles, columns)
        return values.reshape(-1, *nodal.shape[1:])


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
        (f, 2) int32: first column and row that each may cover.
    """

    faces: NDArray[np.int64]
    xy: Singles
    low: Ints


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
    _cover(facing.xy, facing.low, nearest)
    pixels = np.flatnonzero(nearest >= 0)
    ranks = nearest.ravel()[pixels]
    rows, columns = np.divmod(pixels, width)
    return Hits(rows, columns, facing.faces[ranks], _weights(facing.xy, facing.low, rows, columns, ranks))


def _facing_triangles(screen: Floats, triangles: Ints, height: int, width: int) -> _Facing:
    xy = screen[:, :2].astype(np.float32)[triangles]
    area = _cross(xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0])
    inside = ((xy >= 0) & (xy <= (width - 1, height - 1))).all(axis=(1, 2))
    faces = np.flatnonzero((area < -LEAST_AREA) & inside)  # rows run downward, so facing the viewer is clockwise
    faces = faces[np.argsort(screen[:, 2][triangles[faces]].sum(axis=1), kind="stable")]
    return _Facing(faces, xy[faces], np.ceil(xy[faces].min(axis=1)).astype(np.int32))


def _cross(u: Singles, v: Singles) -> Singles:
    out: Singles = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return out
