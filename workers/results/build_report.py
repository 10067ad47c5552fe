"""``report.json``: the field in numbers, with what is needed to trust or to repeat them."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from app.contract.params import JobParams
from app.contract.report import (
    Agreement,
    Distribution,
    Equilibrium,
    Geometry,
    Inputs,
    MeshQuality,
    Peak,
    Prediction,
    Report,
    Segmentation,
    Software,
    Stress,
    SurfaceFit,
)
from models.template import REGIONS, Template
from models.types import Floats
from workers.fem.field import StressField
from workers.geometry.tetrahedra import mean_ratio
from workers.geometry.triangles import Surface
from workers.geometry.weighted_statistics import min_dihedral_degrees, nodal_volumes, weighted_percentiles
from workers.results.captions import DISCLAIMER, FRAME, SOFTWARE, peak_node, region_name, software_version

NEAR_ENDPLATE_MM = 3.0
"""Nearer than this to a clamped or loaded node the stress is that of the idealised support, singular at its rim."""


def build_report(
    template: Template,
    points: Floats,
    field: StressField,
    *,
    params: JobParams,
    inputs: Inputs,
    bundle_version: str,
    fidelity: Literal["surrogate", "fe"] = "fe",
    prediction: Prediction | None = None,
    agreement: Agreement | None = None,
    segmentation: Segmentation | None = None,
    fit: SurfaceFit | None = None,
    equilibrium: Equilibrium | None = None,
    timings_s: Mapping[str, float] | None = None,
    warnings: Sequence[str] = (),
) -> Report:
    """Put the report together.

    Parameters
    ----------
    template
        Topology, regions and node sets.
    points
        (n, 3) float64, mm, RAS+: the subject's nodes.
    field
        Nodal stress, MPa.
    params, inputs, bundle_version
        What was asked for, of which files, and with which model bundle.
    fidelity
        What `field` is.
    prediction, agreement
        What is known of the surrogate's quality; how it compares with a solution.
    segmentation
        How the vertebra was found, where no mask was sent.
    fit, equilibrium
        Surface distances and force balance (see `force_balance`), where there are any.
    timings_s
        Stage name to wall-clock seconds.
    warnings
        Sentences for the reader.
    """
    volume = nodal_volumes(points, template.tets)
    return Report(
        vertebra=params.vertebra,
        load_newton=params.load_newton,
        fidelity=fidelity,
        prediction=prediction,
        agreement=agreement,
        segmentation=segmentation,
        frame=FRAME,
        stress=_stress(template, points, field, volume),
        geometry=Geometry(
            volume_mm3=float(volume.sum()),
            surface_area_mm2=float(Surface(points, template.triangles).areas.sum()),
        ),
        fit=fit,
        mesh=mesh_quality(template, points),
        equilibrium=equilibrium,
        timings_s={name: round(float(seconds), 4) for name, seconds in (timings_s or {}).items()},
        inputs=inputs,
        software=Software(
            name=SOFTWARE,
            version=software_version(),
            python=platform.python_version(),
            platform=platform.platform(),
            bundle_version=bundle_version,
        ),
        warnings=list(warnings),
        disclaimer=DISCLAIMER,
    )


def mesh_quality(template: Template, points: Floats) -> MeshQuality:
    """Measure the subject's mesh, nodes (n, 3) in mm: mean ratio, smallest dihedral angle, inverted tetrahedra."""
    quality, volumes = mean_ratio(np.ascontiguousarray(points), template.tets)
    low, median = np.percentile(quality, [1, 50])
    return MeshQuality(
        nodes=len(points),
        surface_nodes=template.n_surface,
        tets=len(template.tets),
        mean_ratio_min=float(quality.min()),
        mean_ratio_p1=float(low),
        mean_ratio_median=float(median),
        min_dihedral_deg=min_dihedral_degrees(points, template.tets),
        non_positive_tets=int((volumes <= 0.0).sum()),
    )


def force_balance(reaction: Floats, applied: Floats) -> Equilibrium:
    """Compare the total reaction (3,) at the support with the total applied load (3,), both N, RAS+ axes."""
    residual = float(np.linalg.norm(reaction + applied) / np.linalg.norm(applied))
    x, y, z = (float(v) for v in reaction)
    return Equilibrium(reaction_ras_newton=(x, y, z), relative_residual=residual)


def _stress(template: Template, points: Floats, field: StressField, volume: Floats) -> Stress:
    von_mises = field.von_mises
    plates = points[np.concatenate([template.loaded_nodes, template.fixed_nodes])]
    inside = np.flatnonzero(cKDTree(plates).query(points, distance_upper_bound=NEAR_ENDPLATE_MM)[0] > NEAR_ENDPLATE_MM)
    away = int(inside[np.argmax(von_mises[inside])]) if len(inside) else None
    regions = {
        name: _distribution(von_mises[members], volume[members])
        for index, name in enumerate(REGIONS)
        if (members := template.region == index).any()
    }
    return Stress(
        peak_von_mises=_peak(template, points, von_mises, peak_node(field)),
        peak_away_from_endplates=None if away is None else _peak(template, points, von_mises, away),
        largest_principal=_peak(template, points, field.principal[:, 0], int(np.argmax(field.principal[:, 0]))),
        smallest_principal=_peak(template, points, field.principal[:, 2], int(np.argmin(field.principal[:, 2]))),
        overall=_distribution(von_mises, volume),
        regions=regions,
    )


def _peak(template: Template, points: Floats, values: Floats, node: int) -> Peak:
    x, y, z = (round(float(v), 3) for v in points[node])
    return Peak(
        value_mpa=float(values[node]), position_ras_mm=(x, y, z), region=region_name(template, node), node_id=node
    )


def _distribution(von_mises: Floats, volume: Floats) -> Distribution:
    p5, p50, p95, p99 = weighted_percentiles(von_mises, volume, (5, 50, 95, 99))
    return Distribution(
        volume_mm3=float(volume.sum()),
        mean_mpa=float(volume @ von_mises / volume.sum()),
        p5_mpa=float(p5),
        p50_mpa=float(p50),
        p95_mpa=float(p95),
        p99_mpa=float(p99),
        max_mpa=float(von_mises.max()),
    )
