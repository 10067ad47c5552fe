"""Every page is listed on the page of its folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDERS = ("tutorial", "how-to", "reference", "explanation", "decisions")
DOCS = Path(__file__).resolve().parents[2] / "docs"
INDEXES = ("index.md", "README.md")


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_index_links_to_every_page(folder: str) -> None:
    index = next(path for name in INDEXES if (path := DOCS / folder / name).exists())
    linked = set(re.findall(r"\]\(([\w.-]+\.md)\)", index.read_text(encoding="utf-8")))
    assert linked == {path.name for path in (DOCS / folder).glob("*.md")} - set(INDEXES)
