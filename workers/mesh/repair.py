"""Repair of a subject mesh: relax the nodes around tetrahedra that the morph left poor or inverted."""

from __future__ import annotations

import numpy as np

from app.contract.errors import MeshQualityError
from models.template import Template
from models.types import Bools, Floats, Integers, Ints
from workers.geometry.incidence import Incidence
from workers.geometry.relaxation import REGULARISATION, energy_delta, relax
from workers.geometry.tetrahedra import mean_ratio

POOR_QUALITY = 0.2
"""Tetrahedra with a smaller mean ratio are poor: repaired where their nodes can move."""
LEAST_QUALITY = 0.03
"""Tetrahedra with a smaller mean ratio are unsound: the mesh is not solved on."""
QUALITY_ROUNDS, POOR_ROUNDS, UNSOUND_ROUNDS = 5, 12, 40
"""The first rounds improve all that is poor. Up to `POOR_ROUNDS` they go on while something is unsound. The last
`UNSOUND_ROUNDS` work on the unsound tetrahedra alone."""
UNSOUND_REGULARISATIONS = (1e-3, 1e-2, 1e-4, 1e-1)
"""Regularisations that the last rounds take in turn: a tangle that stays with one value opens with another."""
POOR_RINGS, UNSOUND_RINGS = 1, 2
"""Rings of neighbours that move together with the corners of poor and of unsound tetrahedra."""
SURFACE_LIMIT_MM, INTERNAL_LIMIT_MM = 0.15, 1.0
"""How far one round may move a surface node and an internal node: the surface keeps to the fit."""


def is_poor(quality: Floats) -> Bools:
    """Return (m,) whether tetrahedra with these mean ratios (m,) are poor."""
    return quality < POOR_QUALITY


def repair(points: Floats, template: Template, incidence: Incidence, shapes: tuple[Floats, Floats]) -> int:
    """Relax the nodes around poor tetrahedra in place; return how many tetrahedra were poor before.

    Parameters
    ----------
    points
        (n, 3) float64, mm, node order of the template; changed in place.
    template
        Gives connectivity and surface nodes.
    incidence
        The template's.
    shapes
        Mean ratios and volumes of the tetrahedra, from `mean_ratio`; the mean ratios are changed in place.

    Raises
    ------
    MeshQualityError
        Tetrahedra stay inverted or flat.
    """
    quality, volume = shapes
    poor_before = int(is_poor(quality).sum())
    if not poor_before:
        return 0
    unit = energy_delta(volume, regularisation=1.0)
    for attempt in range(POOR_ROUNDS + UNSOUND_ROUNDS):
        poor, unsound = is_poor(quality), quality < LEAST_QUALITY
        if not poor.any() or (attempt >= QUALITY_ROUNDS and not unsound.any()):
            return poor_before
        if attempt < POOR_ROUNDS:
            nodes, regularisation = _nodes_around(poor, template.tets, incidence, POOR_RINGS), REGULARISATION
        else:
            nodes = _nodes_around(unsound, template.tets, incidence, UNSOUND_RINGS)
            regularisation = UNSOUND_REGULARISATIONS[attempt % len(UNSOUND_REGULARISATIONS)]
        limit_mm = np.where(nodes < template.n_surface, SURFACE_LIMIT_MM, INTERNAL_LIMIT_MM)
        relax(points, template.tets, incidence, nodes, limit_mm, regularisation * unit)
        changed = incidence.around(nodes)
        quality[changed] = mean_ratio(points, template.tets[changed])[0]
    _check_quality(quality)
    return poor_before


def _nodes_around(chosen: Bools, tets: Ints, incidence: Incidence, rings: int) -> Integers:
    """Return the ids (ascending) of the corners of chosen tetrahedra and of `rings` rings of neighbours."""
    met = np.zeros(len(incidence.start) - 1, np.bool_)
    met[tets[chosen]] = True
    for _ in range(rings):
        met[tets[incidence.around(np.flatnonzero(met))]] = True
    return np.flatnonzero(met)


def _check_quality(quality: Floats) -> None:
    """Raise `MeshQualityError` where a mean ratio (m,) is below `LEAST_QUALITY`."""
    if left := int((quality < LEAST_QUALITY).sum()):
        raise MeshQualityError(
            "The template folds over itself on this shape. Check the mask for bridges to a neighbour.",
            expected=f"every tetrahedron with a mean ratio of at least {LEAST_QUALITY}",
            got=f"{left} of {len(quality)} with less",
        )
