"""The rooms and arrows of docs/architecture: every import, every library, every process that is started by name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture" / "README.md"
HOUSE = ("app", "vertebra_client", "workers", "models", "synthetic_ct", "training", "bench", "docker", "docs")
MODULE_NAME = re.compile(rf"(?:{'|'.join(HOUSE)})(?:\.\w+)*(?::\w+)?")
NUMERICS = {"numpy", "scipy", "numba", "vtk", "vtkmodules", "pyvista", "nibabel", "onnxruntime", "torch"}


def table(heading: str) -> dict[str, list[str]]:
    """First column to the names in the last one, of the table whose header starts with `heading`."""
    text = PAGE.read_text(encoding="utf-8")
    start = text.index(f"| {heading} |")
    lines = text[start:].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): re.findall(r"`([^`]+)`", row[-1]) or [row[-1]] for row in cells}


ROOMS = table("room")
LIBRARIES = table("library")
PROCESSES = table("module that starts a process")


def room_of(path: Path) -> str:
    """The room with the longest path that holds a file or a module's path. A folder that is none is its parent's."""
    parts = path.parts
    return next("/".join(parts[:n]) for n in range(len(parts), 0, -1) if "/".join(parts[:n]) in ROOMS)


def sources() -> list[Path]:
    return sorted(path.relative_to(ROOT) for folder in HOUSE for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imported_modules(path: Path) -> Iterator[str]:
    """Dotted names of what a file imports, at its top or within its functions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room they come from"
            assert node.module is not None
            for alias in node.names:  # `from workers import engine` imports a module, `from app.cli import main` a name
                inner = Path(*node.module.split("."), alias.name)
                is_module = (ROOT / inner).is_dir() or (ROOT / inner.with_suffix(".py")).exists()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def allows(room: str, target: str) -> bool:
    """Whether the table lets a room import from another."""
    allowed = ROOMS[room]
    if room == target or allowed == ["everything"]:
        return True
    return target in allowed or any(name.endswith("/*") and target.startswith(name[:-1]) for name in allowed)


def test_every_file_has_a_room_and_every_room_a_file() -> None:
    assert {room_of(path) for path in sources()} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_its_row_allows(room: str) -> None:
    for path in sources():
        if room_of(path) != room:
            continue
        for name in imported_modules(path):
            if name.split(".")[0] in HOUSE and name != "workers":  # that alone sets the threads
                target = room_of(Path(*name.split(".")))
                assert allows(room, target), f"{path} imports {name}: {room} may not import {target}"


def test_arrows_only_descend() -> None:
    """No room reaches itself along the arrows of the table."""
    below = {room: {other for other in ROOMS if other != room and allows(room, other)} for room in ROOMS}
    for room in ROOMS:
        reached, rest = set(), list(below[room])
        while rest:
            other = rest.pop()
            if other not in reached:
                reached.add(other)
                rest += below[other]
        assert room not in reached, f"{room} reaches itself"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_only_where_its_row_allows(library: str) -> None:
    for path in sources():
        if library in {name.split(".")[0] for name in imported_modules(path)}:
            assert any(path.is_relative_to(room) for room in LIBRARIES[library]), f"{path} imports {library}"


def test_processes_are_started_only_as_the_table_says() -> None:
    """Modules named in strings: commands of subprocesses, tasks by name."""
    named: dict[str, set[str]] = {}
    for path in sources():
        if path.parts[0] in ("bench", "docker", "docs"):
            continue
        own = ".".join(path.with_suffix("").parts)
        for node in ast.walk(tree(path)):
            constant = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if not MODULE_NAME.fullmatch(constant) or not _is_module(constant):
                continue
            dotted = constant.partition(":")[0]
            if room_of(Path(*dotted.split("."))) != room_of(path) and dotted not in own:
                named.setdefault(str(path), set()).add(dotted)
    assert named == {module: set(names) for module, names in PROCESSES.items()}


def _is_module(name: str) -> bool:
    """Whether a string names a module of ours (a folder's name alone counts only for one that can be run)."""
    path = Path(*name.partition(":")[0].split("."))
    if (ROOT / path).is_dir():
        return (ROOT / path / "__main__.py").exists()
    return any((ROOT / p.with_suffix(".py")).exists() for p in (path, path.parent))


def test_a_running_gateway_loads_no_numerics() -> None:
    code = "import sys, app.application, app.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(out.stdout.split()) & (NUMERICS | {"workers", "training", "models", "synthetic_ct"})
