"""After the build: no page loads anything from another server, so that a hospital without Internet can read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

LOADS = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>""")
"""A tag that makes a browser load a file at once. A link to click is none."""
LOADS_FOR_HEAD = re.compile(r"""<link\b[^>]*\bhref=["']?(?:https?:)?//[^>]*>""")
STYLE_LOADS = re.compile(r"""(?:@import\s+|url\()["']?(?:https?:)?//[^)\s]*""")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the check."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def outside_loads(folder: Path) -> list[str]:
    """Return what the pages and style sheets in a folder load from other servers, each with its file."""
    found = []
    for path in sorted(folder.rglob("*")):
        patterns = {".html": (LOADS, LOADS_FOR_HEAD, STYLE_LOADS), ".css": (STYLE_LOADS,)}.get(path.suffix, ())
        text = path.read_text(encoding="utf-8") if patterns else ""
        found += [f"{path.relative_to(folder)}: {match[0]}" for each in patterns for match in each.finditer(text)]
    return found


def _check(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and (found := outside_loads(Path(app.outdir))):
        raise ExtensionError("pages load from other servers:\n" + "\n".join(found))
