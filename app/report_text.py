"""``report.json`` as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def summary(report: Mapping[str, Any]) -> str:
    """Render a parsed ``report.json`` in about 20 lines (stress in MPa, positions in RAS+ mm)."""
    stress, mesh, geometry = report["stress"], report["mesh"], report["geometry"]
    lines = [
        f"Vertebra {report['vertebra']}, {report['load_newton']:g} N axial compression, fidelity {report['fidelity']}",
        "",
        f"peak von Mises       {_peak(stress['peak_von_mises'])}",
    ]
    if stress["peak_away_from_endplates"]:
        lines.append(f"  3 mm off endplates {_peak(stress['peak_away_from_endplates'])}")
    lines += [
        f"most tensile s1      {_peak(stress['largest_principal'])}",
        f"most compressive s3  {_peak(stress['smallest_principal'])}",
        "",
        *_table({"whole vertebra": stress["overall"], **stress["regions"]}),
        "",
        f"geometry   {geometry['volume_mm3'] / 1000:.1f} cm³, {geometry['surface_area_mm2'] / 100:.1f} cm² surface",
    ]
    if found := report["segmentation"]:
        lines.append(_found(found))
    if fit := report["fit"]:
        lines.append(f"fit        mean {fit['mean_mm']:.2f} mm, p95 {fit['p95_mm']:.2f} mm, max {fit['max_mm']:.2f} mm")
    lines.append(
        f"mesh       {mesh['nodes']:,} nodes, {mesh['tets']:,} tets, mean ratio ≥ {mesh['mean_ratio_min']:.2f}, "
        f"{mesh['non_positive_tets']} inverted"
    )
    if trust := report["prediction"]:
        lines.append(
            f"trust      {trust['surrogate']} surrogate, expected error {trust['expected_nmae_percent']:.2f} % of the "
            f"peak; shape {trust['shape_distance_mm']:.1f} mm from the template"
            + (", OUT OF DISTRIBUTION" if trust["out_of_distribution"] else "")
            + (", solved instead" if report["fidelity"] == "fe" else "")
        )
    if agreement := report["agreement"]:
        lines.append(
            f"against FE mean error {agreement['nmae_percent']:.2f} % of the peak, R² {agreement['r2']:.4f}, peak "
            f"{agreement['peak_error_percent']:+.1f} %, {agreement['peak_distance_mm']:.1f} mm away"
        )
    if balance := report["equilibrium"]:
        lines.append(f"balance    reaction against load: relative residual {balance['relative_residual']:.1e}")
    timings = report["timings_s"]
    if timings:
        stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in timings.items())
        lines.append(f"time (s)   {sum(timings.values()):.1f}: {stages}")
    software = report["software"]
    lines.append(f"software   {software['name']} {software['version']}, bundle {software['bundle_version']}")
    lines += [f"WARNING    {warning}" for warning in report["warnings"]]
    return "\n".join([*lines, "", report["disclaimer"]])


def _found(found: Mapping[str, Any]) -> str:
    x, y, z = found["centre_ras_mm"]
    where = f"segmented at ({x:.0f}, {y:.0f}, {z:.0f})"
    if found["confidence"] is None:
        return f"vertebra   {where}, the seed that was sent"
    counts = [f"by the {name} {found[f'level_by_{name}']}" for name in ("ribs", "sacrum") if found[f"level_by_{name}"]]
    seen = f"{found['levels_seen'][0]} to {found['levels_seen'][-1]} in the scan"
    return f"vertebra   {where}, confidence {found['confidence']:.0%}; " + "; ".join([*counts, seen])


def _peak(peak: Mapping[str, Any]) -> str:
    x, y, z = peak["position_ras_mm"]
    return f"{peak['value_mpa']:8.3f} MPa at ({x:.1f}, {y:.1f}, {z:.1f}), {_words(peak['region'])}"


def _table(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return one line a region: volume-weighted mean and percentiles of von Mises stress, MPa."""
    columns = ("mean", "p5", "p50", "p95", "p99", "max")
    head = f"{'von Mises, MPa':20}" + "".join(f"{name:>8}" for name in columns)
    return [
        head,
        *(
            f"{_words(name):20}" + "".join(f"{row[f'{column}_mpa']:8.3f}" for column in columns)
            for name, row in rows.items()
        ),
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")
