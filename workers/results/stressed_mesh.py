"""The subject mesh with everything computed at its nodes: what every result file shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as default
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.template import REGIONS, Template
from models.types import Floats, Ints
from workers.fem.field import StressField
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import nodal_volumes

NEAR_ENDPLATE_MM = 3.0
"""Nearer than this to a clamped or loaded node the stress is that of the idealised support, singular at its rim."""


@dataclass(frozen=True)
class NodalArray:
    """A nodal array of the VTK files: values (n,) or (n, k), and their unit."""

    values: NDArray[Any]
    unit: str


@dataclass(frozen=True)
class StressedMesh:
    """A subject mesh and its stress.

    Attributes
    ----------
    template
        Topology, regions and node sets; its first `n_surface` nodes are the surface.
    points
        (n, 3) float64, mm, RAS+: the subject's nodes.
    field
        Nodal stress, MPa; displacement, mm, where it was solved for.
    extra
        Further nodal arrays for the VTK files, by name.
    """

    template: Template
    points: Floats
    field: StressField
    extra: Mapping[str, NodalArray] = default(default_factory=dict)

    @cached_property
    def surface(self) -> Surface:
        """The outer surface, vertices (n_surface, 3) in mm."""
        return Surface(self.points[: self.template.n_surface], self.template.triangles)

    @property
    def surface_von_mises(self) -> Floats:
        """(n_surface,) float64, MPa."""
        return self.field.von_mises[: self.template.n_surface]

    @cached_property
    def volumes(self) -> Floats:
        """(n,) float64, mm³: the volume each node stands for, a quarter of every tetrahedron around it."""
        return nodal_volumes(self.points, self.template.tets)

    @property
    def peak_node(self) -> int:
        """The node of largest von Mises stress; the first, where several share it."""
        return int(np.argmax(self.field.von_mises))

    @cached_property
    def steady_nodes(self) -> Ints:
        """(k,) ids of the nodes beyond `NEAR_ENDPLATE_MM` of both endplates, where the stress is steady."""
        steady = np.ones(len(self.points), np.bool_)
        for nodes in (self.template.loaded_nodes, self.template.fixed_nodes):
            endplate = self.points[nodes]
            low, high = endplate.min(axis=0) - NEAR_ENDPLATE_MM, endplate.max(axis=0) + NEAR_ENDPLATE_MM
            may_be_near = np.flatnonzero(((self.points >= low) & (self.points <= high)).all(axis=1))
            tree = cKDTree(endplate)
            distance = tree.query(self.points[may_be_near], distance_upper_bound=NEAR_ENDPLATE_MM)[0]
            steady[may_be_near[distance <= NEAR_ENDPLATE_MM]] = False
        return np.flatnonzero(steady).astype(np.int32)

    @cached_property
    def steady_peak_node(self) -> int | None:
        """The node of largest von Mises stress beyond `NEAR_ENDPLATE_MM`; None where every node is nearer."""
        away = self.steady_nodes
        return int(away[np.argmax(self.field.von_mises[away])]) if len(away) else None

    def region_of(self, node: int) -> str:
        """Return the anatomical region of a node."""
        return REGIONS[int(self.template.region[node])]
