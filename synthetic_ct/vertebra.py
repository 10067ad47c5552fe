"""A vertebra in the world and the spine that it is part of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.types import Floats
from synthetic_ct.drawing_surface import DrawingSurface

PointMap = Callable[[Floats], Floats]
"""A map of the world: points (n, 3) mm to points (n, 3) mm."""


@dataclass(frozen=True)
class Endplate:
    """An endplate.

    Attributes
    ----------
    centre
        (3,) mm RAS.
    axes
        (3, 3) rows: right, forward, up.
    half_width, half_depth
        Along the first two axes, mm.
    """

    centre: Floats
    axes: Floats
    half_width: float
    half_depth: float


@dataclass(frozen=True)
class Vertebra:
    """One vertebra in the world.

    Attributes
    ----------
    level
        Its name.
    person
        The person whose vertebra it was made from.
    points
        (k, 3) float64, mm RAS: the nodes of its surface.
    surface
        The nodes' triangles, and which of them are endplates, canal and tips.
    """

    level: str
    person: str
    points: Floats
    surface: DrawingSurface

    def _endplate(self, nodes: NDArray[np.int64]) -> Endplate:
        """Return the endplate with these nodes: up is normal to them, forward points away from the canal."""
        surface = self.surface
        points = self.points[nodes]
        centre = points.mean(axis=0)
        up = np.linalg.svd(points - centre, full_matrices=False)[2][2]
        up = up * np.sign(up @ (self.points[surface.superior].mean(0) - self.points[surface.inferior].mean(0)))
        forward = centre - self.canal
        forward = forward - (forward @ up) * up
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, up)
        along = (points - centre) @ np.stack([right, forward]).T
        width, depth = 0.5 * np.ptp(along, axis=0)
        return Endplate(centre, np.stack([right, forward, up]), float(width), float(depth))

    @cached_property
    def superior(self) -> Endplate:
        """The upper endplate."""
        return self._endplate(self.surface.superior)

    @cached_property
    def inferior(self) -> Endplate:
        """The lower endplate."""
        return self._endplate(self.surface.inferior)

    @property
    def centre(self) -> Floats:
        """(3,) centre of the vertebral body, mm RAS."""
        return 0.5 * (self.superior.centre + self.inferior.centre)

    @property
    def canal(self) -> Floats:
        """(3,) a point in the middle of the vertebral canal, mm RAS."""
        return np.asarray(self.points[self.surface.canal].mean(axis=0))

    def transverse_tip(self, side: int) -> Floats:
        """Return (3,) mm RAS: the tip of the left (-1) or the right (1) transverse process."""
        one, other, _ = self.points[self.surface.tips]
        along = (one - other) @ self.superior.axes[0]  # a mirror image has the template's left on its right
        return np.asarray(one if along * side > 0.0 else other)

    @property
    def spinous_tip(self) -> Floats:
        """(3,) the tip of the spinous process, mm RAS."""
        return np.asarray(self.points[self.surface.tips[2]])

    def map_points(self, mapping: PointMap) -> Vertebra:
        """Return the vertebra with `mapping` applied to its nodes."""
        return replace(self, points=mapping(self.points))


@dataclass(frozen=True)
class Spine:
    """Neighbouring vertebrae of one person, from top to bottom."""

    person: str
    vertebrae: tuple[Vertebra, ...]

    def map_points(self, mapping: PointMap) -> Spine:
        """Return the spine with `mapping` applied to every node."""
        return replace(self, vertebrae=tuple(v.map_points(mapping) for v in self.vertebrae))
