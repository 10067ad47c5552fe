"""The report's section on stress: peaks, and von Mises stress over volumes."""

from __future__ import annotations

import numpy as np

from app.contract.report import Distribution, Peak, StressSummary
from models.template import REGIONS
from models.types import Floats
from workers.geometry.weighted_statistics import weighted_percentiles
from workers.results.stressed_mesh import StressedMesh

PERCENTILES = (5, 50, 95, 99)
POSITION_DECIMALS = 3
"""Of positions in mm: finer than the image or the fit."""


def summarise_stress(mesh: StressedMesh) -> StressSummary:
    """Measure the stress field of a mesh."""
    von_mises, volumes = mesh.field.von_mises, mesh.volumes
    largest, smallest = mesh.field.principal[:, 0], mesh.field.principal[:, 2]
    away = mesh.steady_peak_node
    return StressSummary(
        peak_von_mises=_peak(mesh, von_mises, mesh.peak_node),
        peak_away_from_endplates=None if away is None else _peak(mesh, von_mises, away),
        largest_principal=_peak(mesh, largest, int(np.argmax(largest))),
        smallest_principal=_peak(mesh, smallest, int(np.argmin(smallest))),
        overall=_distribution(von_mises, volumes),
        regions={
            name: _distribution(von_mises[members], volumes[members])
            for index, name in enumerate(REGIONS)
            if (members := mesh.template.region == index).any()
        },
    )


def _peak(mesh: StressedMesh, values: Floats, node: int) -> Peak:
    x, y, z = (round(float(v), POSITION_DECIMALS) for v in mesh.points[node])
    return Peak(value_mpa=float(values[node]), position_ras_mm=(x, y, z), region=mesh.region_of(node), node_id=node)


def _distribution(von_mises: Floats, volumes: Floats) -> Distribution:
    """Describe nodal stress (k,), MPa, weighted by the volume (k,), mm³, that each node stands for."""
    p5, p50, p95, p99 = weighted_percentiles(von_mises, volumes, PERCENTILES)
    return Distribution(
        volume_mm3=float(volumes.sum()),
        mean_mpa=float(volumes @ von_mises / volumes.sum()),
        p5_mpa=float(p5),
        p50_mpa=float(p50),
        p95_mpa=float(p95),
        p99_mpa=float(p99),
        max_mpa=float(von_mises.max()),
    )
