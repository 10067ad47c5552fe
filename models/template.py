"""The template: one vertebra mesh whose topology every subject mesh shares.

Node i is the same anatomical place in every subject. The first `n_surface` nodes are the surface nodes; the internal
nodes follow. World axes are RAS+ in mm: +x right, +y anterior, +z superior.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.types import Bytes, Floats, Ints

REGIONS = (
    "body",
    "superior_endplate",
    "inferior_endplate",
    "left_pedicle",
    "right_pedicle",
    "posterior_elements",
)
"""Names of the anatomical regions. The `region` of a node is an index into this tuple."""


@dataclass(frozen=True, eq=False)
class Template:
    """Reference finite-element mesh of L1 (paper section II.C).

    Attributes
    ----------
    nodes
        (n, 3) float64, mm, template frame (RAS+, origin at the centroid of the vertebral body).
    tets
        (m, 4) int32, linear tetrahedra of positive volume.
    triangles
        (t, 3) int32, the closed outer surface, oriented outward; all ids are below `n_surface`.
    n_surface
        Number of surface nodes; they come first.
    region
        (n,) uint8, index into `REGIONS`.
    superior, inferior
        (a, 3) and (b, 3) int32 triangles of the superior (loaded) and inferior (clamped) endplate.
    """

    nodes: Floats
    tets: Ints
    triangles: Ints
    n_surface: int
    region: Bytes
    superior: Ints
    inferior: Ints

    @cached_property
    def loaded_nodes(self) -> Ints:
        """Sorted ids of the nodes of the superior endplate (int32)."""
        return np.unique(self.superior)

    @cached_property
    def fixed_nodes(self) -> Ints:
        """Sorted ids of the nodes of the inferior endplate (int32)."""
        return np.unique(self.inferior)
