"""``viewer.html``: the stressed surface as one stand-alone interactive page (WebGL, no library, no network).

The page is `viewer_page.html` with the surface put in. PyVista's own export was tried first: it starts a web server on
a TCP port inside the worker and needs an event loop, which a queue worker must not have; it also takes 2 s.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.template import REGIONS, Template
from models.types import Floats
from workers.fem.field import StressField
from workers.results.captions import COLOUR_PERCENTILE, RESEARCH_NOTE, SOFTWARE, Caption, software_version
from workers.results.preview import colour_table

DEFORM_MM = 8.0
"""Largest displacement shown when the deformation slider is at its end, mm."""


def write_viewer(path: Path, template: Template, points: Floats, field: StressField, meta: Caption) -> None:
    """Write the page.

    Parameters
    ----------
    path
        HTML file to write.
    template
        Topology and regions; its first nodes are the surface.
    points
        (n, 3) float64, mm, RAS+.
    field
        Nodal stress, MPa; displacement, mm, or None.
    meta
        Level, load and model for the title.
    """
    page = resources.files("workers.results").joinpath("viewer_page.html").read_text("utf-8")
    data = json.dumps(_data(template, points, field), separators=(",", ":"), allow_nan=False)
    for key, value in {
        "TITLE": html.escape(meta.title),
        "VERTEBRA": html.escape(meta.vertebra),
        "NOTE": html.escape(RESEARCH_NOTE.upper()),
        "SOFTWARE": html.escape(f"{SOFTWARE} {software_version()}"),
        "PERCENTILE": f"{COLOUR_PERCENTILE:g}",
        "DATA": data.replace("<", "\\u003c"),
    }.items():
        page = page.replace(f"@{key}@", value)
    path.write_text(page, "utf-8")


def _data(template: Template, points: Floats, field: StressField) -> Mapping[str, Any]:
    """Return what the page draws: float32 arrays as base64, coordinates in mm relative to `origin` (RAS+)."""
    n = template.n_surface
    surface = points[:n]
    origin = (surface.min(axis=0) + surface.max(axis=0)) / 2
    quantities = [
        _quantity("von Mises stress", "MPa", field.von_mises[:n], low=0),
        _quantity("s1, largest principal stress", "MPa", field.principal[:n, 0]),
        _quantity("s3, smallest principal stress", "MPa", field.principal[:n, 2]),
    ]
    data: dict[str, Any] = {}
    if field.displacement is not None:
        shift = field.displacement[:n]
        length = np.linalg.norm(shift, axis=1)
        quantities.append(_quantity("displacement", "mm", length, low=0))
        data["displacement"] = _base64(shift.astype("<f4"))
        data["deform"] = DEFORM_MM / max(float(length.max()), 1e-9)
    return data | {
        "origin": [round(float(v), 4) for v in origin],
        "points": _base64((surface - origin).astype("<f4")),
        "triangles": _base64(template.triangles.astype("<u4")),
        "region": _base64(template.region[:n].astype("u1")),
        "regions": [name.replace("_", " ") for name in REGIONS],
        "table": _base64(colour_table()),
        "quantities": quantities,
    }


def _quantity(label: str, unit: str, values: Floats, low: float | None = None) -> dict[str, Any]:
    """Describe one nodal quantity; its peak is the node of largest magnitude, `low` a fixed start of the scale."""
    peak = int(np.argmax(np.abs(values)))
    return {
        "label": label,
        "unit": unit,
        "values": _base64(values.astype("<f4")),
        "low": low,
        "peak": peak,
        "peakLabel": f"surface peak {values[peak]:.3g} {unit}",
    }


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
