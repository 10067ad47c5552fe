"""The build of the documentation refuses pages that load something from another server."""

from pathlib import Path

import pytest

from docs.extensions.self_contained import outside_loads


@pytest.mark.parametrize(
    "text",
    [
        '<script async src="https://cdn.example/a.js"></script>',
        "<link rel=stylesheet href=//cdn.example/a.css>",
        '<img alt="" src="http://cdn.example/a.png">',
        "<style>@import 'https://fonts.example/css';</style>",
    ],
)
def test_a_file_of_another_server_is_found(text: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<html>{text}</html>")
    assert len(outside_loads(tmp_path)) == 1


def test_links_and_own_files_are_allowed(tmp_path: Path) -> None:
    own = '<a href="https://example.org/">x</a><script src="../_static/a.js"></script><img src="a.png">'
    (tmp_path / "page.html").write_text(own)
    (tmp_path / "a.css").write_text('a { background: url("data:image/svg+xml,x") }')
    assert outside_loads(tmp_path) == []
