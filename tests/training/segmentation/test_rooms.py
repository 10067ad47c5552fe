"""The rooms of training/segmentation: an import only goes to the same room or to one before it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOMS = ("data", "networks", "fitting", "evaluation")
FOLDER = Path(__file__).parents[3] / "training" / "segmentation"


@pytest.mark.parametrize("room", ROOMS)
def test_imports_descend(room):
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    for path in sorted((FOLDER / room).glob("*.py")):
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        names = [node.module for node in nodes if node.module and node.module.startswith("training.segmentation.")]
        own = {name.split(".")[2] for name in names}
        assert own <= allowed, f"{path.name} imports from {own - allowed}"
