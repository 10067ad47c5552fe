"""Simple solids that bones are drawn from where only their place and size matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import ConvexHull, QhullError

from models.types import Floats


@dataclass(frozen=True)
class Tube:
    """A chain of balls: ``points`` (n, 3) mm and their ``radius`` (n,) mm."""

    points: Floats
    radius: Floats

    @classmethod
    def along(cls, corners: Floats, radius: float, step: float = 2.0) -> Tube:
        """Return a tube of one radius along a smooth curve through ``corners`` (n, 3), a ball every `step` mm."""
        points = smooth(corners, step)
        return cls(points, np.full(len(points), radius))


@dataclass(frozen=True)
class Hull:
    """The convex hull of ``points`` (n, 3) mm."""

    points: Floats
    triangles: NDArray[np.int64]

    @classmethod
    def of(cls, points: Floats) -> Hull | None:
        """Return the hull, or None where the points are flat."""
        try:
            return cls(points, ConvexHull(points).simplices.astype(np.int64))
        except QhullError:
            return None


def ellipse(centre: Floats, axes: Floats, half: Floats, n: int = 24) -> Floats:
    """Return (n, 3) points on an ellipse with axes (2, 3) and half widths (2,)."""
    angle = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    return np.asarray(centre + np.cos(angle)[:, None] * half[0] * axes[0] + np.sin(angle)[:, None] * half[1] * axes[1])


def smooth(points: Floats, step: float) -> Floats:
    """Return a smooth curve through points (n, 3), sampled every `step` mm."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return np.asarray(CubicSpline(along, points)(np.arange(0.0, along[-1], step)))
