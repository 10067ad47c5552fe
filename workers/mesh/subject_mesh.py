"""The subject mesh: fit the template to a surface, carry the interior along, repair, and refuse what is unsound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.shape_model import ShapeModel
from models.template import Template
from models.types import Floats
from workers.geometry.closest_point import DISTANCE_SAMPLES, ClosestPoint, distance_between
from workers.geometry.incidence import Incidence
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import mean_ratio
from workers.mesh.fit_checks import check_distance, check_fold
from workers.mesh.modes import combination
from workers.mesh.repair import is_poor, repair
from workers.mesh.surface_fit import Fit, SurfaceFitter

FIRST_SAMPLES = 5000
"""Samples a surface of the distance before repair, which refuses what is no vertebra: enough for its mean and 95th
percentile. A fit that passes is looked at again after repair; one that needs none is looked at once."""


@dataclass(frozen=True)
class SubjectMesh:
    """A vertebra in the template's topology.

    Attributes
    ----------
    points
        (n, 3) float64, mm, world RAS+.
    fit
        Coefficients and pose that the points came from, before repair.
    distance_mm
        (k,) float64, mm: samples of the symmetric distance between the mesh's surface and the target.
    repaired
        Number of tetrahedra that were poor before repair.
    """

    points: Floats
    fit: Fit
    distance_mm: Floats
    repaired: int


class MeshMorpher:
    """Makes subject meshes; holds what depends on the template alone (about 0.5 GB for the shipped template).

    Parameters
    ----------
    template, model
        From the bundle.

    Attributes
    ----------
    basis
        (n, m) float32, mm: the shape model's eigenfunctions at all nodes.
    surface_fitter
        Fits the template's surface alone.
    """

    def __init__(self, template: Template, model: ShapeModel) -> None:
        self.template = template
        self.basis = model.kept_basis(template.nodes)
        n = template.n_surface
        self.surface_fitter = SurfaceFitter(Surface(template.nodes[:n], template.triangles), self.basis[:n])
        self.incidence = Incidence.of(template.tets, len(template.nodes))

    def morph(self, target: Surface, voxel_mm: float) -> SubjectMesh:
        """Return the template's mesh on the surface `target` (paper section II.C).

        Parameters
        ----------
        target
            Closed surface, mm, world RAS+.
        voxel_mm
            Size of the voxels that the surface came from; 0 for a smooth mesh.

        Raises
        ------
        MorphFailed
            The template folds over, or its surface stays too far from the target: this is not one whole vertebra.
        MeshQualityError
            Tetrahedra stay inverted or flat after repair.
        """
        fit = self.surface_fitter.fit(target, voxel_mm)
        points = self.nodes_of(fit)
        shapes = mean_ratio(points, self.template.tets)
        check_fold(shapes[1])
        closest = ClosestPoint(target)
        if is_poor(shapes[0]).any():
            check_distance(self._distance(points, closest, FIRST_SAMPLES), voxel_mm)
        repaired = repair(points, self.template, self.incidence, shapes)
        distance = self._distance(points, closest, DISTANCE_SAMPLES)
        check_distance(distance, voxel_mm)
        return SubjectMesh(points, fit, distance, repaired)

    def nodes_of(self, fit: Fit) -> Floats:
        """Return all nodes (n, 3), mm, world RAS+, of a fit: one smooth field moves surface and interior."""
        moved = self.template.nodes + combination(self.basis, fit.coefficients)
        return np.ascontiguousarray(fit.pose.apply(moved))

    def repair(self, points: Floats) -> int:
        """Repair a subject mesh (n, 3), mm, in place; see `workers.mesh.repair.repair`."""
        return repair(points, self.template, self.incidence, mean_ratio(points, self.template.tets))

    def _distance(self, points: Floats, target: ClosestPoint, n: int) -> Floats:
        """Return samples (2 n,), mm, of the distance between the mesh's surface and the target."""
        own = Surface(points[: self.template.n_surface], self.template.triangles)
        return distance_between(ClosestPoint(own), target, n)
