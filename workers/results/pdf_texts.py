"""The words and numbers of ``report.pdf``."""

from __future__ import annotations

from app.contract.certainty import words
from app.contract.report import Agreement, Peak, Report
from workers.results.captions import newtons

STATISTICS = ("mean", "p5", "p50", "p95", "p99", "max")
"""Of each region."""


MESH_NOTE = (
    "The peak overall depends on the mesh: at the rim of the clamped endplate the exact stress is infinite. "
    "Use the steady numbers above it."
)


def key_numbers(report: Report) -> list[tuple[str, str, str]]:
    """Return the steady numbers first; the overall peak depends on the mesh at the rim of the clamp."""
    stress = report.stress
    rows = []
    if body := stress.regions.get("body"):
        rows.append(("Von Mises, 99th percentile, body", _mpa(body.p99_mpa), "99 % of the body's volume lies below"))
    rows.append(("Von Mises, 99th percentile, whole", _mpa(stress.overall.p99_mpa), "99 % of the volume lies below"))
    if away := stress.peak_away_from_endplates:
        rows.append(("Von Mises, peak off the endplates", _mpa(away.value_mpa), _place(away)))
    peak, largest, smallest = stress.peak_von_mises, stress.largest_principal, stress.smallest_principal
    rows.append(("Von Mises, peak overall", _mpa(peak.value_mpa), _place(peak)))
    rows.append(("Most tensed (s1)", _mpa(largest.value_mpa), _place(largest)))
    rows.append(("Most compressed (s3)", _mpa(smallest.value_mpa), _place(smallest)))
    return rows


def _mpa(value: float) -> str:
    """Return a stress with three digits, zeros among them."""
    return f"{value:#.3g}".rstrip(".")


def _place(peak: Peak) -> str:
    x, y, z = peak.position_ras_mm
    return f"{words(peak.region)}, at ({x:.1f}, {y:.1f}, {z:.1f}) mm"


def agreement_words(agreement: Agreement) -> str:
    """Return how the prediction compares with the solution."""
    peak = agreement.peak_error_percent
    return (
        f"Compared with the finite-element solution of the same mesh, the prediction has a mean error of "
        f"{agreement.nmae_percent:.2f} % of the peak (R² {agreement.r2:.4f}); its peak is {abs(peak):.1f} % too "
        f"{'low' if peak < 0 else 'high'}."
    )


def region_rows(report: Report) -> list[list[str]]:
    """Return name, volume and `STATISTICS` of von Mises stress of the whole vertebra and of each region."""
    rows = [("whole vertebra", report.stress.overall), *report.stress.regions.items()]
    return [
        [
            words(name),
            f"{row.volume_mm3 / 1000:.1f}",
            *(f"{getattr(row, f'{column}_mpa'):.3f}" for column in STATISTICS),
        ]
        for name, row in rows
    ]


def sources(report: Report) -> str:
    """Return where the numbers come from, so that a page can be told from another."""
    software, inputs = report.software, report.inputs
    mask = f"; mask {inputs.mask_sha256}" if inputs.mask_sha256 else ""
    return (
        f"Positions: {report.frame}. Load: {newtons(report.load_newton)} on the superior endplate, along the "
        "vertebra's own axis; the inferior endplate is clamped. "
        f"{software.name} {software.version}, bundle {software.bundle_version}. "
        f"SHA-256 of the files that were sent: CT {inputs.ct_sha256}{mask}."
    )
