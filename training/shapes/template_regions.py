"""The template's anatomy: endplates, posterior wall, upright pose and named regions of the mean shape."""

from __future__ import annotations

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from models.template import REGIONS
from models.types import Bytes, Floats, Ints
from workers.geometry.surface import Surface

ENDPLATE_ANGLE_DEG = 40.0
"""A triangle of an endplate faces the axis to within this angle; the rim of the body is steeper."""
PEDICLE_LENGTH_MM = 9.0
"""From the posterior wall of the body backwards, to the root of the transverse process."""
CANAL_HALF_WIDTH_MM = 9.0
"""Behind the posterior wall, what lies nearer to the midline is the concave wall itself, not a pedicle."""
MIDLINE_MM = 4.0
"""Half width of the strip of vertices along the midline."""
BACKWARD_NORMAL = -0.7
"""A vertex faces backwards where its unit normal's y component is below this (within 45 degrees)."""
FRONT_QUANTILE = 0.98
"""Quantile of the midline's y that is its front, so that no spur counts."""
WALL_DEPTH_RANGE = (0.15, 0.55)
"""Where the posterior wall may lie, from the front, over the depth of the whole vertebra."""
UPRIGHT_ROUNDS = 10
"""The endplates depend on the axis and the axis on the endplates; ten rounds settle both."""


def turn_upright(surface: Surface) -> Surface:
    """Turn about the left-right axis until the endplates face +z and -z; put the body's centroid at the origin."""
    axis = np.array([0.0, 0.0, 1.0])
    for _ in range(UPRIGHT_ROUNDS):
        up, down = endplate_triangles(surface, axis)
        top, bottom = (surface.triangle_vectors[plate].sum(axis=0) for plate in (up, down))
        axis = top / np.linalg.norm(top) - bottom / np.linalg.norm(bottom)
        axis[0] = 0.0
        axis /= np.linalg.norm(axis)
    c, s = axis[2], axis[1]
    rotation = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    turned = surface.transform(rotation, np.zeros(3))
    up, down = endplate_triangles(turned, np.array([0.0, 0.0, 1.0]))
    centroids = turned.vertices[turned.triangles].mean(axis=1)
    centre = 0.5 * (centroids[up].mean(axis=0) + centroids[down].mean(axis=0))
    centre[0] = 0.0
    return Surface(turned.vertices - centre, turned.triangles)


def endplate_triangles(surface: Surface, axis: Floats) -> tuple[Ints, Ints]:
    """Return the ids of the triangles of the superior and the inferior endplate: on the body, facing along `axis`."""
    facing = surface.triangle_vectors @ axis / surface.areas
    centroids = surface.vertices[surface.triangles].mean(axis=1)
    in_body = centroids[:, 1] > _posterior_wall(surface)
    plates = []
    for sign in (1.0, -1.0):
        candidate = np.flatnonzero(in_body & (sign * facing > np.cos(np.deg2rad(ENDPLATE_ANGLE_DEG))))
        plates.append(_largest_patch(surface, candidate))
    return plates[0], plates[1]


def _posterior_wall(surface: Surface) -> float:
    """Return y (mm) of the posterior wall of the body: the foremost midline vertices that face backwards."""
    v, n = surface.vertices, surface.normals
    midline = np.abs(v[:, 0] - np.median(v[:, 0])) < MIDLINE_MM
    backward = midline & (n[:, 1] < BACKWARD_NORMAL)
    front = np.quantile(v[midline, 1], FRONT_QUANTILE)
    depth, whole = front - v[:, 1], np.ptp(v[:, 1])
    near, far = WALL_DEPTH_RANGE
    wall = backward & (depth > near * whole) & (depth < far * whole)
    return float(np.median(v[wall, 1]))


def _largest_patch(surface: Surface, chosen: NDArray[np.intp]) -> Ints:
    """Return the largest edge-connected patch of the chosen triangles."""
    mesh = pv.PolyData.from_regular_faces(surface.vertices, surface.triangles[chosen])
    region = np.asarray(mesh.connectivity("all").cell_data["RegionId"])
    return chosen[region == np.bincount(region).argmax()].astype(np.int32)


def node_regions(nodes: Floats, surface: Surface, superior: Ints, inferior: Ints) -> Bytes:
    """Return the region (n,) of each node of the upright mean shape, an index into `REGIONS`.

    Parameters
    ----------
    nodes
        (n, 3) mm, RAS, origin in the body.
    surface
        Of the same shape.
    superior, inferior
        Triangles of the endplates.
    """
    wall = _posterior_wall(surface)
    x, y = nodes[:, 0], nodes[:, 1]
    region = np.full(len(nodes), REGIONS.index("body"), np.uint8)
    region[y < wall] = REGIONS.index("posterior_elements")
    neck = (y < wall) & (y > wall - PEDICLE_LENGTH_MM)
    region[neck & (np.abs(x) < CANAL_HALF_WIDTH_MM)] = REGIONS.index("body")  # the concave posterior wall
    region[neck & (x < -CANAL_HALF_WIDTH_MM)] = REGIONS.index("left_pedicle")
    region[neck & (x > CANAL_HALF_WIDTH_MM)] = REGIONS.index("right_pedicle")
    region[np.unique(superior)] = REGIONS.index("superior_endplate")
    region[np.unique(inferior)] = REGIONS.index("inferior_endplate")
    return region
