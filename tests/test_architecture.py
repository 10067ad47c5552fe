"""The arrows of the design: the gateway knows no numerics and none of the code that does."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.harness import ROOT

FORBIDDEN = {"workers", "training", "models", "numpy", "scipy", "numba", "vtk", "pyvista", "nibabel", "torch"}
SOURCES = sorted((ROOT / "app").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])
            if path.parent.name == "jobs":
                assert node.module.partition(".")[0] not in ("fastapi", "starlette"), "the contract knows no FastAPI"
    assert not imported & FORBIDDEN


def test_a_running_gateway_loads_no_numerics() -> None:
    code = "import sys, app.application, app.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(out.stdout.split()) & FORBIDDEN
