"""The artifact of the tangent surrogate: a coarse mesh, the template's stress, and its response to the shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.coarse_mesh import CoarseMesh
from models.types import Singles


@dataclass(frozen=True)
class TangentModel:
    """What `workers.surrogate.tangent` needs beside the template: n nodes, n_s of them on the surface.

    Attributes
    ----------
    coarse
        The coarse mesh: k nodes.
    tensor
        (n, 6) float32, MPa: nodal stress of the template under 500 N.
    reduction
        (3 m, r) float32: maps shape coefficients (m modes x 3 axes, axes fastest) to r shape directions.
    response
        (n_s + k, 6, r) int8: change of the nodal stress along each direction that the coarse problem does not give, at
        the surface nodes and at the coarse nodes. Times `response_scale` it is in MPa under 500 N.
    response_scale
        (r,) float32, MPa.
    """

    coarse: CoarseMesh
    tensor: Singles
    reduction: Singles
    response: NDArray[np.int8]
    response_scale: Singles

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store."""
        return {
            "coarse_nodes": self.coarse.nodes.astype(np.float32),
            "coarse_tets": self.coarse.tets,
            "fixed": self.coarse.fixed,
            "node_host": self.coarse.node_host,
            "tet_host": self.coarse.tet_host,
            "host": self.coarse.host,
            "tensor": self.tensor.astype(np.float16),
            "reduction": self.reduction,
            "response": self.response,
            "response_scale": self.response_scale,
        }

    @classmethod
    def from_arrays(cls, stored: Mapping[str, Any]) -> TangentModel:
        """Return the model of the arrays that `to_arrays` returned."""
        coarse = CoarseMesh(
            stored["coarse_nodes"].astype(np.float64),
            stored["coarse_tets"],
            stored["fixed"],
            stored["node_host"],
            stored["tet_host"],
            stored["host"],
        )
        return cls(
            coarse,
            stored["tensor"].astype(np.float32),
            stored["reduction"],
            stored["response"],
            stored["response_scale"],
        )
