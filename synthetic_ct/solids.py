"""Simple solids for bones of which only position and size matter: tubes and convex hulls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import ConvexHull, QhullError

from models.types import Floats

SPHERE_STEP_MM = 2.0
"""Distance of a tube's spheres: less than the radius of the thinnest tube, so that its outline is smooth."""
ELLIPSE_POINTS = 24
"""Points of an ellipse: a sacral body of 50 mm then has edges of 5 mm."""


@dataclass(frozen=True)
class Tube:
    """A row of overlapping spheres.

    Attributes
    ----------
    points
        (n, 3) centres, mm RAS.
    radius
        (n,) radii, mm.
    """

    points: Floats
    radius: Floats

    @classmethod
    def along(cls, corners: Floats, radius: float, step: float = SPHERE_STEP_MM) -> Tube:
        """Return a tube of one `radius` (mm) along a smooth curve through `corners` (n, 3), a sphere every `step`."""
        points = smooth_curve(corners, step)
        return cls(points, np.full(len(points), radius))


@dataclass(frozen=True)
class Hull:
    """A convex solid.

    Attributes
    ----------
    points
        (n, 3) mm RAS: corners, and maybe points within.
    triangles
        (t, 3) positions in `points`: the surface.
    """

    points: Floats
    triangles: NDArray[np.int64]

    @classmethod
    def of(cls, points: Floats) -> Hull | None:
        """Return the convex hull of `points` (n, 3), or None where they lie in one plane."""
        try:
            return cls(points, ConvexHull(points).simplices.astype(np.int64))
        except QhullError:
            return None


def ellipse(centre: Floats, axes: Floats, half: Floats, n: int = ELLIPSE_POINTS) -> Floats:
    """Return (n, 3) points on an ellipse with unit axes (2, 3) and half widths (2,), mm."""
    angle = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    return np.asarray(centre + np.cos(angle)[:, None] * half[0] * axes[0] + np.sin(angle)[:, None] * half[1] * axes[1])


def smooth_curve(points: Floats, step: float) -> Floats:
    """Return (m, 3) points every `step` mm on the cubic spline through `points` (n, 3)."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return np.asarray(CubicSpline(along, points)(np.arange(0.0, along[-1], step)))
