"""``viewer.html``: the stressed surface as one stand-alone interactive page (WebGL 2, no library, no network).

The page is `viewer_page.html` with the scripts of `SCRIPTS` and the surface put in. PyVista's own export was tried
first. It starts a web server on a TCP port inside the worker and needs an event loop, which a queue worker must not
have; it also takes 2 s.
"""

from __future__ import annotations

import html
import json
from importlib import resources
from pathlib import Path

from workers.results.captions import RESEARCH_NOTE, Caption, software_and_version
from workers.results.ct_slices import CtSlices
from workers.results.headline_numbers import headline_numbers
from workers.results.stressed_mesh import StressedMesh
from workers.results.viewer_data import page_data

SCRIPTS = ("data", "drawing", "colours", "reading", "slices", "controls")
"""The page's scripts `viewer_*.js`, in the order in which they run."""


def write_viewer(path: Path, mesh: StressedMesh, caption: Caption, slices: CtSlices | None = None) -> None:
    """Write the page as HTML; with the CT about the vertebra where `slices` has it."""
    page = _resource("viewer_page.html")
    data = json.dumps(page_data(mesh, caption, slices), separators=(",", ":"), allow_nan=False)
    for key, value in {
        "SCRIPT": "\n".join(_resource(f"viewer_{name}.js") for name in SCRIPTS),
        "TITLE": html.escape(caption.title),
        "VERTEBRA": html.escape(caption.vertebra_words),
        "NOTICE": _notice(caption),
        "NUMBERS": "".join(f"<li>{html.escape(line)}</li>" for line in headline_numbers(mesh)),
        "NOTE": html.escape(RESEARCH_NOTE.upper()),
        "SOFTWARE": html.escape(software_and_version()),
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
