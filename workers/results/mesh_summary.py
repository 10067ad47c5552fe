"""The report's sections on the subject mesh: its size, its quality, and its fit to the mask."""

from __future__ import annotations

import numpy as np

from app.contract.report import Geometry, MeshQuality, SurfaceFit
from models.types import Floats
from workers.fem.loads import cranio_caudal_axis
from workers.geometry.tetrahedra import mean_ratio, min_dihedral_degrees
from workers.results.stressed_mesh import StressedMesh


def summarise_geometry(mesh: StressedMesh) -> Geometry:
    """Measure volume, surface area and the load's axis of a mesh."""
    axis = cranio_caudal_axis(mesh.points, mesh.template.superior, mesh.template.inferior)
    return Geometry(
        volume_mm3=float(mesh.volumes.sum()),
        surface_area_mm2=float(mesh.surface.areas.sum()),
        load_axis_ras=(float(axis[0]), float(axis[1]), float(axis[2])),
    )


def summarise_quality(mesh: StressedMesh) -> MeshQuality:
    """Count nodes and tetrahedra of a mesh; measure mean ratio and smallest dihedral angle."""
    points, tets = mesh.points, mesh.template.tets
    quality, volumes = mean_ratio(np.ascontiguousarray(points), tets)
    low, median = np.percentile(quality, [1, 50])
    return MeshQuality(
        nodes=len(points),
        surface_nodes=mesh.template.n_surface,
        tets=len(tets),
        mean_ratio_min=float(quality.min()),
        mean_ratio_p1=float(low),
        mean_ratio_median=float(median),
        min_dihedral_deg=min_dihedral_degrees(points, tets),
        non_positive_tets=int((volumes <= 0.0).sum()),
    )


def summarise_fit(distance_mm: Floats) -> SurfaceFit:
    """Describe distance samples (k,), mm, between the mesh's surface and the mask's."""
    return SurfaceFit(
        mean_mm=float(distance_mm.mean()),
        p95_mm=float(np.quantile(distance_mm, 0.95)),
        max_mm=float(distance_mm.max()),
    )
