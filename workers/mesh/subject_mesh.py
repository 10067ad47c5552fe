"""The subject's finite-element mesh: fit the template, carry the interior along, repair, refuse what is unsound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.contract.errors import MeshQualityError, MorphFailed
from models.shape_model import ShapeModel
from models.template import Template
from models.types import Bools, Floats
from workers.geometry.closest_point import surface_distance
from workers.geometry.incidence import Incidence
from workers.geometry.relaxation import relax
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import mean_ratio
from workers.mesh.surface_fit import Fit, SurfaceFitter

POOR_QUALITY = 0.2
"""Tetrahedra of less mean ratio are repaired where their nodes can move."""
LEAST_QUALITY = 0.03
"""A mesh with a tetrahedron of less mean ratio is not solved on."""
SMOOTHING_ROUNDS, REPAIR_ROUNDS, KNOT_ROUNDS = 5, 12, 40
"""Rounds of repair for quality, for whatever is poor while something is unsound, and for the last unsound alone."""
SOFTNESS = 1e-3
KNOT_SOFTNESS = (1e-3, 1e-2, 1e-4, 1e-1)
"""Regularisations by turns: a knot that one value leaves, another opens."""
SURFACE_SLACK_MM = 0.15
"""How far one round of repair may move a surface node."""
INTERNAL_SLACK_MM = 1.0
MAX_FOLDED = 0.009
"""Share of tetrahedra that the fit alone may turn over. Whole vertebrae T11 to L5: up to 0.0035 (a T11), most 0; two
fused ones 0.023 to 0.17, a vertebra without its arch 0.02 to 0.04, a ball or a box 0.15."""
WORST_MEAN_MM, WORST_P95_MM = 0.6, 2.5
"""Surface distance of a fit that is still believed, plus a tenth and a fifth of a voxel. Whole vertebrae: up to 0.28
and 0.92 mm (spurs, bridges), with 5 mm slices 0.24 and 0.8; fused pairs that do not fold the template: 0.9 and 5."""


@dataclass(frozen=True)
class SubjectMesh:
    """A vertebra in the template's topology.

    Attributes
    ----------
    points
        (n, 3) float64, mm, world RAS.
    fit
        Coefficients and pose the points came from.
    distance_mm
        (k,) symmetric distance samples between the mesh's surface and the target.
    repaired
        Number of tetrahedra that were poor before repair.
    """

    points: Floats
    fit: Fit
    distance_mm: Floats
    repaired: int


class MeshMorpher:
    """Makes subject meshes; holds what depends on the template alone (about 0.5 GB at template size).

    Parameters
    ----------
    template, model
        From the bundle.
    """

    def __init__(self, template: Template, model: ShapeModel) -> None:
        self.template = template
        self.basis = model.basis(template.nodes)
        n = template.n_surface
        self.surface_fitter = SurfaceFitter(Surface(template.nodes[:n], template.triangles), self.basis[:n])
        self.incidence = Incidence.of(template.tets, len(template.nodes))

    def mesh(self, target: Surface, voxel_mm: float) -> SubjectMesh:
        """Fit `target` (world RAS, mm), made of voxels of `voxel_mm` (0 for a smooth mesh).

        Raises
        ------
        MorphFailed
            The template folds over, or its surface stays too far from the target: this is not one whole vertebra.
        MeshQualityError
            Tetrahedra stay inverted or flat after repair.
        """
        fit = self.surface_fitter.fit(target, voxel_mm)
        points = self.place(fit)
        check_fold(mean_ratio(points, self.template.tets)[1])
        distance = self._distance(points, target)
        check_fit(distance, voxel_mm)
        if repaired := self.repair(points):
            distance = self._distance(points, target)
        return SubjectMesh(points, fit, distance, repaired)

    def _distance(self, points: Floats, target: Surface) -> Floats:
        return surface_distance(Surface(points[: self.template.n_surface], self.template.triangles), target)

    def place(self, fit: Fit) -> Floats:
        """Return all nodes (n, 3), world RAS, of a fit: one smooth field moves surface and interior."""
        moved = self.template.nodes + self.basis @ fit.coefficients.astype(np.float32)
        return np.ascontiguousarray(fit.pose.apply(moved))

    def repair(self, points: Floats) -> int:
        """Relax the nodes of poor tetrahedra in place; return how many were poor.

        Raises
        ------
        MeshQualityError
            Some stay inverted or flat.
        """
        tets = self.template.tets
        quality, _ = mean_ratio(points, tets)
        first = int((quality < POOR_QUALITY).sum())
        for attempt in range(REPAIR_ROUNDS + KNOT_ROUNDS):
            poor, unsound = quality < POOR_QUALITY, quality < LEAST_QUALITY
            if not poor.any() or (attempt >= SMOOTHING_ROUNDS and not unsound.any()):
                return first
            if attempt < REPAIR_ROUNDS:
                self._relax_around(points, poor, 1, SOFTNESS)
            else:
                self._relax_around(points, unsound, 2, KNOT_SOFTNESS[attempt % len(KNOT_SOFTNESS)])
            quality, _ = mean_ratio(points, tets)
        if left := int((quality < LEAST_QUALITY).sum()):
            raise MeshQualityError(
                "The template folds over itself on this shape. Check the mask for bridges to a neighbour.",
                expected=f"every tetrahedron with a mean ratio of at least {LEAST_QUALITY}",
                got=f"{left} of {len(tets)} with less",
            )
        return first

    def _relax_around(self, points: Floats, bad: Bools, rings: int, softness: float) -> None:
        """Relax the corners of bad tetrahedra and `rings` of neighbours."""
        tets = self.template.tets
        touched = np.zeros(len(points), np.bool_)
        touched[tets[bad]] = True
        for _ in range(rings):
            touched[tets[touched[tets].any(axis=1)]] = True
        nodes = np.flatnonzero(touched).astype(np.int32)
        limit = np.where(nodes < self.template.n_surface, SURFACE_SLACK_MM, INTERNAL_SLACK_MM)
        relax(points, tets, self.incidence, nodes, limit, regularisation=softness)


def check_fold(volume: Floats) -> None:
    """Raise `MorphFailed` where too many of the element volumes (m,) are negative before any repair."""
    folded = float((volume <= 0.0).mean())
    if folded > MAX_FOLDED:
        raise MorphFailed(
            "The template folds over itself on this shape. Check that the label is one whole vertebra.",
            expected=f"at most {MAX_FOLDED:.1%} of the mesh turned over by the fit",
            got=f"{folded:.1%}",
        )


def check_fit(distance: Floats, voxel_mm: float) -> None:
    """Raise `MorphFailed` where the fitted surface is not the target's."""
    mean, p95 = float(distance.mean()), float(np.quantile(distance, 0.95))
    allowed = WORST_MEAN_MM + 0.1 * voxel_mm, WORST_P95_MM + 0.2 * voxel_mm
    if mean > allowed[0] or p95 > allowed[1]:
        raise MorphFailed(
            "The template could not be fitted to the mask. Check that the label is one whole vertebra.",
            expected=f"mean surface distance <= {allowed[0]:.2f} mm, 95th percentile <= {allowed[1]:.2f} mm",
            got=f"{mean:.2f} mm, {p95:.2f} mm",
        )
