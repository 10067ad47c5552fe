"""``report.json`` as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.contract.certainty import certainty, vertebra_words, words

COLUMNS = ("mean", "p5", "p50", "p95", "p99", "max")
"""Of the table of regions: fields of a distribution, without their unit."""


def summary(report: Mapping[str, Any]) -> str:
    """Render a parsed ``report.json`` in about 25 lines (stress in MPa, positions in RAS+ mm)."""
    return "\n".join(
        [
            f"{vertebra_words(report['vertebra'])}, {report['load_newton']:g} N axial compression, "
            f"fidelity {report['fidelity']}",
            *_before_the_numbers(report),
            "",
            *_headline(report["stress"]),
            "",
            *_regions(report["stress"]),
            "",
            *_geometry(report),
            *_quality(report),
            *_software(report),
            "",
            report["disclaimer"],
        ]
    )


def _before_the_numbers(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the warnings, then how sure the report is of level, outline and stress."""
    yield from (f"WARNING    {warning}" for warning in report["warnings"])
    yield from (f"{about:<10} {text}" for about, text in certainty(report))


def _headline(stress: Mapping[str, Any]) -> Iterator[str]:
    """Yield the steady numbers first; the overall peak depends on the mesh at the rim of the clamp."""
    body = stress["regions"].get("body")
    yield f"99th percentile      {stress['overall']['p99_mpa']:8.3f} MPa" + (
        f", in the body {body['p99_mpa']:.3f} MPa" if body else ""
    )
    if stress["peak_away_from_endplates"]:
        yield f"peak off endplates   {_peak(stress['peak_away_from_endplates'])}"
    yield f"peak overall         {_peak(stress['peak_von_mises'])}; depends on the mesh at the clamped rim"
    yield f"most tensile s1      {_peak(stress['largest_principal'])}"
    yield f"most compressive s3  {_peak(stress['smallest_principal'])}"


def _peak(peak: Mapping[str, Any]) -> str:
    x, y, z = peak["position_ras_mm"]
    return f"{peak['value_mpa']:8.3f} MPa at ({x:.1f}, {y:.1f}, {z:.1f}), {words(peak['region'])}"


def _regions(stress: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line a region: volume-weighted mean and percentiles of von Mises stress, MPa."""
    yield f"{'von Mises, MPa':20}" + "".join(f"{column:>8}" for column in COLUMNS)
    for name, row in {"whole vertebra": stress["overall"], **stress["regions"]}.items():
        yield f"{words(name):20}" + "".join(f"{row[f'{column}_mpa']:8.3f}" for column in COLUMNS)


def _geometry(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield size, fit and mesh."""
    geometry, mesh = report["geometry"], report["mesh"]
    volume, area = geometry["volume_mm3"] / 1000, geometry["surface_area_mm2"] / 100
    yield f"geometry   {volume:.1f} cm³, {area:.1f} cm² surface"
    if fit := report["fit"]:
        yield f"fit        mean {fit['mean_mm']:.2f} mm, p95 {fit['p95_mm']:.2f} mm, max {fit['max_mm']:.2f} mm"
    yield (
        f"mesh       {mesh['nodes']:,} nodes, {mesh['tets']:,} tets, mean ratio ≥ {mesh['mean_ratio_min']:.2f}, "
        f"{mesh['non_positive_tets']} inverted"
    )


def _quality(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is known about the error of the stress."""
    if prediction := report["prediction"]:
        yield (
            f"prediction {prediction['surrogate']} surrogate, {_error(prediction)}; shape "
            f"{prediction['shape_distance_mm']:.1f} mm from the template"
            + (", OUT OF DISTRIBUTION" if prediction["out_of_distribution"] else "")
            + (", solved instead" if report["fidelity"] == "fe" else "")
        )
    if agreement := report["agreement"]:
        yield (
            f"against FE mean error {agreement['nmae_percent']:.2f} % of the peak, R² {agreement['r2']:.4f}, peak "
            f"{agreement['peak_error_percent']:+.1f} %, {agreement['peak_distance_mm']:.1f} mm away"
        )
    if balance := report["equilibrium"]:
        yield f"balance    reaction against load: relative residual {balance['relative_residual']:.1e}"


def _error(prediction: Mapping[str, Any]) -> str:
    """Return the bound of the error and how it was reached, or the expected error."""
    if (bound := prediction.get("error_bound_percent")) is None:
        return f"expected error {prediction['expected_nmae_percent']:.2f} % of the peak"
    return (
        f"error at most {bound:.2f} % of the peak after {prediction['cycles']} cycles, which changed the prediction by "
        f"{prediction['unrefined_change_percent']:.2f} %"
    )


def _software(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield times and versions."""
    timings, software = report["timings_s"], report["software"]
    if timings:
        stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in timings.items())
        yield f"time (s)   {sum(timings.values()):.1f}: {stages}"
    yield f"software   {software['name']} {software['version']}, bundle {software['bundle_version']}"
