"""The numbers that lead: those that do not depend on the mesh first, the overall peak last."""

from __future__ import annotations

from workers.geometry.weighted_statistics import weighted_percentiles
from workers.results.stressed_mesh import StressedMesh

HEADLINE_PERCENTILE = 99


def three_digits(value: float) -> str:
    """Return a number with three digits; from a thousand on a whole number."""
    return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value:.3g}"


def headline_numbers(mesh: StressedMesh) -> list[str]:
    """Return the lines: 99th percentile of von Mises stress, peak away from the endplates (if any), overall peak."""
    von_mises, steady = mesh.field.von_mises, mesh.steady_peak_node
    (percentile,) = weighted_percentiles(von_mises, mesh.volumes, (HEADLINE_PERCENTILE,))
    lines = [f"{HEADLINE_PERCENTILE}th percentile {percentile:.3g} MPa"]
    if steady is not None:
        region = mesh.region_of(steady).replace("_", " ")
        lines.append(f"peak off the endplates {von_mises[steady]:.3g} MPa, {region}")
    return [*lines, f"peak overall {von_mises[mesh.peak_node]:.3g} MPa, depends on the mesh"]
