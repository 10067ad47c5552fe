"""Bending moments on the superior endplate, beside the paper's compression."""

from __future__ import annotations

import numpy as np

from models.template import Template
from models.types import Floats
from workers.fem.loads import cranio_caudal_axis
from workers.geometry.similarity import Similarity
from workers.geometry.surface import Surface

FORWARD = np.array([0.0, 1.0, 0.0])
"""The anterior direction in the template's frame."""


def anterior_and_right(points: Floats, template: Template) -> tuple[Floats, Floats]:
    """Return the subject's anterior and right directions, unit vectors (3,) across its own axis.

    The anterior direction is that of the template, turned as the best fit turns the template to the subject's mesh
    (n, 3), mm.
    """
    axis = cranio_caudal_axis(points, template.superior, template.inferior)
    n = template.n_surface
    anterior = Similarity.between(template.nodes[:n], points[:n]).rotation @ FORWARD
    anterior = anterior - (anterior @ axis) * axis
    anterior /= np.linalg.norm(anterior)
    return anterior, np.cross(anterior, axis)


def endplate_moments(points: Floats, template: Template, flexion: float, lateral: float) -> Floats:
    """Return the nodal forces (n, 3), N, of a traction on the superior endplate that has a moment and no force.

    The traction points along the vertebra's own axis and varies linearly over the endplate. It is the consistent load
    of linear elements, so force and moment of the nodal forces are exact.

    Parameters
    ----------
    points
        (n, 3) float64, mm.
    template
        Of the mesh.
    flexion, lateral
        Moments about the endplate's centroid, N mm: positive ones press the anterior and the right side.
    """
    axis = cranio_caudal_axis(points, template.superior, template.inferior)
    plate = Surface(points, template.superior)
    across = np.stack(anterior_and_right(points, template))
    corners = (points[template.superior] - plate.centroid) @ across.T
    shares = _nodal_shares(corners, plate.areas)
    second_moments = np.einsum("tcm,tcn->mn", corners, shares)
    slopes = np.linalg.solve(second_moments, [flexion, lateral])
    pressure = np.bincount(template.superior.ravel(), (shares @ slopes).ravel(), minlength=len(points))
    return np.outer(-pressure, axis)


def _nodal_shares(values: Floats, areas: Floats) -> Floats:
    """Return the integrals of linear fields (t, 3, k), given at the corners, times each corner's shape function."""
    return (values + values.sum(axis=1, keepdims=True)) * areas[:, None, None] / 12.0
