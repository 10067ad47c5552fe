"""The navigation: every page of a folder hangs below the folder's own page, and those hang below the front page.

So a page that is put into a folder is in the navigation, and the Markdown files hold nothing that only Sphinx reads.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

FRONT = "docs/index"

TITLES = {"README": "Overview", "docs/evaluation/README": "Evaluation"}
"""What the sidebar calls pages whose own title would not say it there."""

PARTS = {
    "Use it": ("docs/tutorial/index", "docs/how-to/index", "docs/reference/index", "docs/explanation/index"),
    "The project": (
        "README",
        "docs/evaluation/README",
        "docs/operations/README",
        "docs/architecture/README",
        "docs/decisions/README",
        "docs/glossary",
        "docker/README",
        "models/l1/README",
        "CONTRIBUTING",
        "SECURITY",
        "CHANGELOG",
    ),
}
"""What the sidebar lists, from top to bottom, under each caption."""

FOLDER_PAGES = ("index", "README")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the navigation."""
    app.connect("source-read", _add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the list of the pages below this one."""
    folder, _, name = page.rpartition("/")
    if page == FRONT:
        source[0] += "".join(_tree(caption, [_entry(each) for each in pages]) for caption, pages in PARTS.items())
    elif name in FOLDER_PAGES and any(
        other != page and other.rpartition("/")[0] == folder and folder for other in app.project.docnames
    ):
        source[0] += _tree(None, ["*"])


def _entry(page: str) -> str:
    return f"{TITLES[page]} </{page}>" if page in TITLES else f"/{page}"


def _tree(caption: str | None, pages: list[str]) -> str:
    options = [f":caption: {caption}"] if caption else [":glob:"]
    return "\n".join(["\n\n```{toctree}", ":hidden:", *options, "", *pages, "```\n"])
