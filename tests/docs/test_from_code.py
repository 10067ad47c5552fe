"""The pages of the reference hold everything that the code has."""

from __future__ import annotations

from typing import get_args

import pytest

from app.application import create_app
from app.contract.errors import all_errors
from app.contract.params import JobParams, ResultName
from app.jobs.settings import Settings
from docs.from_code.markdown import table
from docs.from_code.pages import FOLDER
from docs.from_code.schemas import type_text
from workers.results.array_notes import ARRAY_NOTES

EVERYTHING = {
    "parameters.md": JobParams.model_fields,
    "problems.md": [error.slug for error in all_errors()],
    "settings.md": [f"VERTEBRA_{name.upper()}" for name in Settings.model_fields],
    "results.md": [*ARRAY_NOTES, *get_args(ResultName)],
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_page_has_a_row_for_each(name: str) -> None:
    rows = (FOLDER / name).read_text(encoding="utf-8")
    assert [each for each in EVERYTHING[name] if f"\n| `{each}` |" not in rows] == []


def test_every_route_has_a_heading(tmp_path) -> None:
    text = (FOLDER / "api.md").read_text(encoding="utf-8")
    paths = create_app(Settings(data_dir=tmp_path)).openapi()["paths"]
    assert [
        path for path, methods in paths.items() for each in methods if f"\n### {each.upper()} {path}\n" not in text
    ] == []


def test_a_cell_is_one_line_and_keeps_its_bars() -> None:
    assert table(["a"], [["b |\n c"]]) == "| a |\n| --- |\n| b \\| c |\n"


def test_types_are_told_with_their_limits() -> None:
    assert type_text({"type": "number", "exclusiveMinimum": 0.0, "maximum": 1e4}) == "number, > 0, ≤ 10000"
    assert type_text({"anyOf": [{"$ref": "#/$defs/Peak"}, {"type": "null"}]}) == "[Peak](#peak) or null"
