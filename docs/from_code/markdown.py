"""Pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell is one line, and its bars do not end it."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(_cell(text) for text in line) + " |\n" for line in lines)


def code(text: object) -> str:
    """Return a text in code letters."""
    return f"`{text}`"


def plain(text: str) -> str:
    """Return a docstring as one line of Markdown."""
    return " ".join(text.split()).replace("``", "`")


def page(title: str, *blocks: str) -> str:
    """Return a page of blocks with an empty line between two, and who makes it."""
    made = "<!-- Made from the code by `make reference`. Change the code, not this page. -->"
    return "\n\n".join([made, f"# {title}", *(block.strip("\n") for block in blocks)]) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
