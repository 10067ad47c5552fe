"""Cement caps on both endplates: layers of tetrahedra from each endplate to a flat outer face across the axis.

A published way to load a vertebra as a testing machine does (Bonelab/spineFE-benchmark). The topology follows from the
template alone; a subject's caps follow from its endplates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.template import Template
from models.types import Bools, Floats, Ints
from workers.fem.loads import cranio_caudal_axis
from workers.fem.material import Material
from workers.fem.solve_plan import SolvePlan
from workers.geometry.incidence import Incidence

CEMENT_MPA = 2500.0
"""Young's modulus of bone cement, as the published benchmark takes it. Poisson's ratio is that of bone, as there."""
BEYOND_MM = 3.0
"""From the outermost point of an endplate to the outer face of its cap: that of the published model of an L2."""
LAYERS = 3
"""Of a cap, 3 to 7 mm thick: about as high as the template's triangles are long."""
PRISM = np.array([[0, 1, 2, 5], [0, 1, 5, 4], [0, 4, 5, 3]])
"""A prism in three tetrahedra: corners 0 to 2 below, 3 to 5 above them. With the corners of each triangle sorted by
their ids, neighbouring prisms cut their common face alike."""


@dataclass(frozen=True)
class CappedMesh:
    """The template's mesh with both caps.

    Attributes
    ----------
    tets
        (m + c, 4) int32: the template's elements, then those of the caps.
    base
        (k,) ids of the endplate nodes below each node of the caps, which follow the template's n nodes.
    height
        (k,) how far each is on the way to the outer face: 0 to 1.
    is_upper
        (k,) whether it is of the superior cap.
    plan
        Of a solve whose Dirichlet nodes are those of both outer faces.
    bone
        Which elements of the template meet at each of its nodes.
    """

    tets: Ints
    base: Ints
    height: Floats
    is_upper: Bools
    plan: SolvePlan
    bone: Incidence

    @classmethod
    def of(cls, template: Template) -> CappedMesh:
        """Put the caps on a template; made once."""
        n = len(template.nodes)
        upper_tets, upper_base, upper_height = _cap(template.superior, n)
        lower_tets, lower_base, lower_height = _cap(template.inferior, n + len(upper_base))
        tets = np.concatenate([template.tets, upper_tets, lower_tets]).astype(np.int32)
        base, height = np.concatenate([upper_base, lower_base]), np.concatenate([upper_height, lower_height])
        outer = (n + np.flatnonzero(height == 1.0)).astype(np.int32)
        plan = SolvePlan(tets, n + len(base), outer)
        is_upper = np.arange(len(base)) < len(upper_base)
        return cls(tets, base, height, is_upper, plan, Incidence.of(template.tets, n))

    @property
    def upper(self) -> Ints:
        """Ids of the nodes of the superior cap's outer face."""
        return self._ids(self.is_upper & (self.height == 1.0))

    @property
    def lower(self) -> Ints:
        """Ids of the nodes of the inferior cap's outer face."""
        return self._ids(~self.is_upper & (self.height == 1.0))

    def _ids(self, chosen: Bools) -> Ints:
        """Return the ids of chosen nodes (k,) of the caps."""
        return (self.plan.pattern.n_nodes - len(self.base) + np.flatnonzero(chosen)).astype(np.int32)

    def points(self, points: Floats, template: Template) -> Floats:
        """Return the nodes of a subject's mesh (n, 3), mm, and those of its caps behind them."""
        axis = cranio_caudal_axis(points, template.superior, template.inferior)
        at = points[self.base] @ axis
        face = np.where(self.is_upper, at[self.is_upper].max() + BEYOND_MM, at[~self.is_upper].min() - BEYOND_MM)
        return np.concatenate([points, points[self.base] + (self.height * (face - at))[:, None] * axis])

    def material(self, bone: Material | None, n_elements: int) -> Material:
        """Return the material of the `n_elements` elements of the bone, and of cement behind them."""
        bone = bone or Material()
        grade = np.ones(n_elements) if bone.grade is None else bone.grade
        cement = np.full(len(self.tets) - n_elements, CEMENT_MPA / bone.young_mpa)
        return Material(bone.young_mpa, bone.poisson, np.concatenate([grade, cement]))


def _cap(endplate: Ints, first: int) -> tuple[Ints, Ints, Floats]:
    """Return the tetrahedra on outward triangles (t, 3); base and height of the new nodes, numbered from `first`."""
    nodes = np.unique(endplate)
    rank = np.searchsorted(nodes, np.sort(endplate, axis=1))
    columns = np.concatenate([nodes[None], first + np.arange(LAYERS * len(nodes)).reshape(LAYERS, -1)])
    prisms = [np.concatenate([columns[k][rank], columns[k + 1][rank]], axis=1) for k in range(LAYERS)]
    tets = np.concatenate(prisms)[:, PRISM].reshape(-1, 4)
    # sorting turned the triangles over that were an odd permutation of their order
    turned = np.tile(np.repeat(_is_odd(endplate), len(PRISM)), LAYERS)
    tets[turned] = tets[turned][:, [0, 2, 1, 3]]
    return tets, np.tile(nodes, LAYERS), np.repeat(np.arange(1, LAYERS + 1) / LAYERS, len(nodes))


def _is_odd(triangles: Ints) -> Bools:
    """Return (t,) whether sorting a triangle's corners turns it over."""
    a, b, c = triangles.T
    return np.asarray((a > b) ^ (b > c) ^ (a > c))
