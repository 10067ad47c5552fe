"""What the CT and the row say of a body's endplates: edges, height, and what is too dense for bone."""

from __future__ import annotations

import numpy as np

from models.template import REGIONS, Template
from models.types import Floats, Ints
from workers.geometry.surface import Surface
from workers.imaging.point_samples import sample_points
from workers.imaging.volume import Volume
from workers.locate.row_frame import NEIGHBOUR_MM

INNER_MM, OUTER_MM = (-2.5, -1.5, -0.5), (1.5, 2.5, 3.5)
"""Where the CT is read along an endplate's normal: in the bone, and in the disc."""
EDGE_HU = 60.0
"""The bone within an endplate is brighter than the disc by this at least where the CT shows the edge."""
DENSE_HU = 1200.0
"""Cement, metal, or a very dense bone island. Cortex of the body has 300 to 1000 HU in voxels of 1 mm."""
INTERIOR_SHARE = 0.8
"""Part of the way from the centre of the body to its surface nodes that counts as its interior."""
DEPTHS = 8
"""Points on each way."""
LAST_BODY_REGION = REGIONS.index("inferior_endplate")
"""The body and its endplates are the first regions."""


def edge_share(ct: Volume, points: Floats, triangles: Ints) -> float:
    """Return the share of an endplate's triangles where the CT falls from bone to disc, 0 to 1.

    Parameters
    ----------
    ct
        HU.
    points
        (n, 3) mm RAS, the subject mesh.
    triangles
        (t, 3) of the endplate, oriented outward.
    """
    endplate, centres = Surface(points, triangles), points[triangles].mean(axis=1)
    normals = endplate.triangle_vectors / endplate.areas[:, None]
    inner = np.max([sample_points(ct, centres + mm * normals, None) for mm in INNER_MM], axis=0)
    outer = np.mean([sample_points(ct, centres + mm * normals, None) for mm in OUTER_MM], axis=0)
    return float((inner - outer > EDGE_HU).mean())


def height_ratio(points: Floats, template: Template, row: Floats, centre: Floats) -> float | None:
    """Return the height of the body over the distance of the bodies: near 1 where a disc was swallowed.

    Parameters
    ----------
    points
        (n, 3) mm RAS, the subject mesh.
    template
        Says which triangles are endplates.
    row, centre
        (m, 3) and (3,) mm RAS: the bodies of the row, and this one's.

    Returns
    -------
    The distance of the endplates' centres over the mean distance to the next bodies; None without a neighbour.
    """
    away = np.linalg.norm(row - centre, axis=1)
    own = int(away.argmin())
    beside = [float(np.linalg.norm(row[i] - row[own])) for i in (own - 1, own + 1) if 0 <= i < len(row)]
    near = [distance for distance in beside if distance < NEIGHBOUR_MM]
    if not near:
        return None
    upper, lower = (points[np.unique(part)].mean(axis=0) for part in (template.superior, template.inferior))
    return float(np.linalg.norm(upper - lower) / np.mean(near))


def dense_share(ct: Volume, points: Floats, template: Template) -> float:
    """Return the share of the body's interior with more than `DENSE_HU`, 0 to 1; of a mesh (n, 3) mm RAS."""
    body = points[: template.n_surface][template.region[: template.n_surface] <= LAST_BODY_REGION]
    middle = body.mean(axis=0)
    depths = np.linspace(0.1, INTERIOR_SHARE, DEPTHS)
    inside = middle + depths[:, None, None] * (body - middle)
    return float((sample_points(ct, inside, None) > DENSE_HU).mean())
