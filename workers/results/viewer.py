"""``viewer.html``: the stressed surface as one stand-alone interactive page (WebGL, no library, no network).

The page is `viewer_page.html` with `viewer_page.js` and the surface put in. PyVista's own export was tried first. It
starts a web server on a TCP port inside the worker and needs an event loop, which a queue worker must not have; it also
takes 2 s.
"""

from __future__ import annotations

import base64
import html
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.template import REGIONS
from models.types import Floats
from workers.results.captions import RESEARCH_NOTE, Caption, software_and_version
from workers.results.colour_scale import PERCENTILE, colour_table
from workers.results.stressed_mesh import StressedMesh

DEFORM_MM = 8.0
"""Largest displacement shown at the end of the deformation slider: easy to see on a vertebral body 40 to 50 mm wide."""
ORIGIN_DECIMALS = 4
"""Of the coordinates' origin, mm; the page shows positions with one decimal."""
LEAST_DISPLACEMENT_MM = 1e-9
"""Keeps a mesh that does not move from being magnified without bound."""


def write_viewer(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Write the page as HTML."""
    page, script = (_resource(f"viewer_page.{kind}") for kind in ("html", "js"))
    data = json.dumps(_page_data(mesh), separators=(",", ":"), allow_nan=False)
    for key, value in {
        "SCRIPT": script,
        "TITLE": html.escape(caption.title),
        "VERTEBRA": html.escape(caption.vertebra_words),
        "NOTICE": _notice(caption),
        "NOTE": html.escape(RESEARCH_NOTE.upper()),
        "SOFTWARE": html.escape(software_and_version()),
        "PERCENTILE": f"{PERCENTILE:g}",
        "DATA": data.replace("<", "\\u003c"),
    }.items():
        page = page.replace(f"@{key}@", value)
    path.write_text(page, "utf-8")


def _notice(caption: Caption) -> str:
    """Return the warnings as a list, then how sure the report is of level, outline and stress, as HTML."""
    warnings = "".join(f"<li>{html.escape(text)}</li>" for text in caption.warnings)
    sure = "".join(f"<dt>{about.capitalize()}</dt><dd>{html.escape(text)}</dd>" for about, text in caption.certainty)
    return (f"<ul>{warnings}</ul>" if warnings else "") + (f"<dl>{sure}</dl>" if sure else "")


def _resource(name: str) -> str:
    return resources.files("workers.results").joinpath(name).read_text("utf-8")


def _page_data(mesh: StressedMesh) -> dict[str, Any]:
    """Return what the page draws: float32 arrays as base64, coordinates in mm relative to `origin` (RAS+)."""
    n = mesh.template.n_surface
    vertices = mesh.surface.vertices
    origin = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    return _displacement(mesh) | {
        "origin": [round(float(v), ORIGIN_DECIMALS) for v in origin],
        "points": _base64((vertices - origin).astype("<f4")),
        "triangles": _base64(mesh.template.triangles.astype("<u4")),
        "region": _base64(mesh.template.region[:n].astype("u1")),
        "regions": [name.replace("_", " ") for name in REGIONS],
        "table": _base64(colour_table()),
        "quantities": _quantities(mesh),
    }


def _displacement(mesh: StressedMesh) -> dict[str, Any]:
    """Return the displacement and how many times the slider magnifies it; nothing where it was not solved for."""
    if mesh.field.displacement is None:
        return {}
    displacement = mesh.field.displacement[: mesh.template.n_surface]
    largest = float(np.linalg.norm(displacement, axis=1).max())
    return {
        "displacement": _base64(displacement.astype("<f4")),
        "deform": DEFORM_MM / max(largest, LEAST_DISPLACEMENT_MM),
    }


def _quantities(mesh: StressedMesh) -> list[dict[str, Any]]:
    """Return the quantities that can colour the surface."""
    n, field = mesh.template.n_surface, mesh.field
    quantities = [
        _quantity("von Mises stress", "MPa", mesh.surface_von_mises, low=0),
        _quantity("s1, largest principal stress", "MPa", field.principal[:n, 0]),
        _quantity("s3, smallest principal stress", "MPa", field.principal[:n, 2]),
    ]
    if field.displacement is not None:
        length = np.linalg.norm(field.displacement[:n], axis=1)
        quantities.append(_quantity("displacement", "mm", length, low=0))
    return quantities


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
