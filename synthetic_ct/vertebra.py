"""A vertebra in the world and the spine it is of: its nodes, endplates, canal and the tips of its processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.types import Floats, Singles
from synthetic_ct.deformity import DEFORMITIES, BodyFrame, Deformity
from workers.mesh.subject_mesh import MeshMorpher

N_SKIN = 5000


@dataclass(frozen=True)
class DrawingSurface:
    """A coarse copy of the template's surface, for drawing.

    Attributes
    ----------
    index
        (k,) nodes of the template.
    triangles
        (t, 3) of positions in `index`.
    superior, inferior
        Positions of the endplates' nodes.
    canal
        Positions around the vertebral canal: their mean is a point in it.
    tips
        Positions of the right and the left transverse process' tips (min x, max x), then the spinous process' tip.
    basis
        (k, m) float32 of the shape model.
    spread
        (m,) root mean square of real shapes' coefficients.
    deform
        Displacements (k, 3) a deformity at full height, by its name.
    """

    index: NDArray[np.int64]
    triangles: NDArray[np.int64]
    superior: NDArray[np.int64]
    inferior: NDArray[np.int64]
    canal: NDArray[np.int64]
    tips: NDArray[np.int64]
    basis: Singles
    spread: Floats
    deform: dict[Deformity, Floats]

    @classmethod
    def of(cls, morpher: MeshMorpher, spread: Floats) -> DrawingSurface:
        """Make it from the template."""
        template = morpher.template
        nodes = template.nodes[: template.n_surface]
        full = pv.PolyData.from_regular_faces(nodes, template.triangles.astype(np.int64))
        small = full.decimate(1.0 - 2.0 * N_SKIN / len(template.triangles), volume_preservation=True)
        index = np.unique(cKDTree(nodes).query(small.points)[1])
        own = np.asarray(cKDTree(nodes[index]).query(small.points)[1])
        triangles = own[small.regular_faces]
        proper = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
        position = np.full(len(template.nodes), -1)
        position[index] = np.arange(len(index))

        def kept(those: NDArray[np.integer]) -> NDArray[np.int64]:
            found = position[np.unique(those)]
            return np.asarray(found[found >= 0], np.int64)

        x, y, _ = nodes[index].T
        superior, inferior = kept(template.superior), kept(template.inferior)
        midline, plates = np.abs(x) < 6.0, np.concatenate([superior, inferior])
        wall = plates[midline[plates]][np.argsort(y[plates[midline[plates]]])[:6]]
        arch = np.flatnonzero(midline & (y < y[wall].mean() - 12.0))
        canal = np.concatenate([wall, arch[np.argsort(-y[arch])[:6]]])
        basis = morpher.basis[: template.n_surface][index].astype(np.float32)
        body = BodyFrame(template)
        deform = {kind: body.displacement(kind, 0.45)[index] / 0.45 for kind in DEFORMITIES}
        tips = np.array([x.argmin(), x.argmax(), y.argmin()])
        return cls(index, triangles[proper], superior, inferior, canal, tips, basis, spread, deform)


@dataclass(frozen=True)
class Endplate:
    """An endplate: its centre (mm), axes (rows: right, forward, up) and half width and half depth (mm)."""

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
        Whose vertebra it was made from.
    points
        (k, 3) float64, mm, RAS: the skin's nodes.
    skin
        What the nodes are.
    """

    level: str
    person: str
    points: Floats
    skin: DrawingSurface

    def _plate(self, nodes: NDArray[np.int64]) -> Endplate:
        points = self.points[nodes]
        centre = points.mean(axis=0)
        up = np.linalg.svd(points - centre, full_matrices=False)[2][2]
        up = up * np.sign(up @ (self.points[self.skin.superior].mean(0) - self.points[self.skin.inferior].mean(0)))
        back = self.points[self.skin.canal].mean(axis=0)
        forward = centre - back
        forward = forward - (forward @ up) * up
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, up)
        along = (points - centre) @ np.stack([right, forward]).T
        width, depth = 0.5 * np.ptp(along, axis=0)
        return Endplate(centre, np.stack([right, forward, up]), float(width), float(depth))

    @cached_property
    def superior(self) -> Endplate:
        """The upper endplate."""
        return self._plate(self.skin.superior)

    @cached_property
    def inferior(self) -> Endplate:
        """The lower endplate."""
        return self._plate(self.skin.inferior)

    @property
    def centre(self) -> Floats:
        """(3,) centre of the vertebral body, mm."""
        return 0.5 * (self.superior.centre + self.inferior.centre)

    @property
    def canal(self) -> Floats:
        """(3,) a point in the middle of the vertebral canal, mm."""
        return np.asarray(self.points[self.skin.canal].mean(axis=0))

    def tip(self, side: int) -> Floats:
        """Return (3,) the tip of the left (-1) or right (1) transverse process, or of the spinous process (0)."""
        one, other, spinous = self.points[self.skin.tips]
        if side == 0:
            return np.asarray(spinous)
        along = (one - other) @ self.superior.axes[0]  # a mirror image has the template's left on its right
        return np.asarray(one if along * side > 0.0 else other)

    def moved(self, move: Callable[[Floats], Floats]) -> Vertebra:
        """Return it with its nodes moved by `move`."""
        return replace(self, points=move(self.points))


@dataclass(frozen=True)
class Spine:
    """Neighbouring vertebrae of one person, from top to bottom."""

    person: str
    vertebrae: tuple[Vertebra, ...]

    def moved(self, move: Callable[[Floats], Floats]) -> Spine:
        """Return it with every node moved by `move`."""
        return replace(self, vertebrae=tuple(v.moved(move) for v in self.vertebrae))
