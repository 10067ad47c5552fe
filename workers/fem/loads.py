"""The load case: axial compression of the superior endplate (paper section II.A)."""

from __future__ import annotations

import numpy as np

from models.types import Floats, Ints
from workers.geometry.surface import Surface

REFERENCE_LOAD_NEWTON = 500.0
"""Total load, N, of the paper's load case (section II.A): every stress in the bundle belongs to it."""


def cranio_caudal_axis(points: Floats, superior: Ints, inferior: Ints) -> Floats:
    """Return the vertebra's own axis, a unit vector (3,) that points cranially.

    The axis is the bisector of the two endplates' mean normals. The area vector of a patch depends on its rim alone, so
    the roughness of an endplate does not change the axis. The axis turns with the vertebra, however that lies in the
    scanner.

    Parameters
    ----------
    points
        (n, 3) float64, mm.
    superior, inferior
        (a, 3) and (b, 3) outward triangles of the endplates.
    """
    up = Surface(points, superior).triangle_vectors.sum(axis=0)
    down = Surface(points, inferior).triangle_vectors.sum(axis=0)
    axis = up / np.linalg.norm(up) - down / np.linalg.norm(down)
    return axis / np.linalg.norm(axis)


def endplate_traction(points: Floats, superior: Ints, inferior: Ints, load_newton: float) -> Floats:
    """Return the nodal forces (n, 3), N, of a uniform traction on the superior endplate.

    The traction points caudally along `cranio_caudal_axis`. Each triangle gives a third of its area to each corner: the
    consistent load of a uniform traction on linear elements.

    Parameters
    ----------
    points
        (n, 3) float64, mm.
    superior, inferior
        (a, 3) and (b, 3) outward triangles of the endplates.
    load_newton
        Total load, N.
    """
    axis = cranio_caudal_axis(points, superior, inferior)
    areas = Surface(points, superior).areas
    share = np.bincount(superior.ravel(), np.repeat(areas / 3.0, 3), minlength=len(points))
    return np.outer(share / areas.sum(), -load_newton * axis)
