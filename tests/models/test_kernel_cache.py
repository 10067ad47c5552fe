"""Where compiled kernels lie: by content, so that clones and releases share them, and safe from other users."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models import kernel_cache
from models.kernel_cache import KernelCacheLocator, fingerprint

_helper: Any = None

SOURCE = "from constants import *\ndef inner(x):\n    return x + FLOOR\ndef outer(x):\n    return inner(x) * SCALE[0]\n"


def load(path: Path, **constants: Any) -> ModuleType:
    """Load a file as a module of this project; `constants` are what it has from other modules."""
    spec = importlib.util.spec_from_loader("models.example", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    vars(module).update(constants)
    exec(compile(path.read_text().partition("\n")[2], str(path), "exec"), vars(module))
    return module


def write(folder: Path, source: str = SOURCE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "example.py"
    path.write_text(source)
    return path


def outer(path: Path, **changes: Any) -> Callable[..., Any]:
    function: Callable[..., Any] = load(path, **({"FLOOR": 1e-9, "SCALE": np.ones(2)} | changes)).outer
    return function


def test_two_clones_of_one_source_share_a_place(tmp_path: Path) -> None:
    here, there = (outer(write(tmp_path / name)) for name in ("here", "there"))
    assert fingerprint(here) == fingerprint(there)
    places = [
        KernelCacheLocator(function, function.__code__.co_filename, tmp_path).get_cache_path()
        for function in (here, there)
    ]
    assert places[0] == places[1]
    assert Path(places[0]).is_relative_to(tmp_path / kernel_cache.machine())


@pytest.mark.parametrize(
    "changed",
    [
        lambda folder: outer(write(folder, SOURCE.replace("+", "-"))),
        lambda folder: outer(write(folder), SCALE=np.full(2, 3.0)),
    ],
    ids=["source", "constant of another module"],
)
def test_what_has_changed_lies_elsewhere(tmp_path: Path, changed: Callable[[Path], Callable[..., Any]]) -> None:
    assert fingerprint(outer(write(tmp_path / "old"))) != fingerprint(changed(tmp_path / "new"))


def test_a_kernel_that_calls_another_follows_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.geometry.relaxation import _descend, _lowered

    class Called:
        py_func = staticmethod(outer(write(tmp_path / "called")))

    def caller(x: float) -> Any:
        return _helper(x)

    before = fingerprint(caller)
    monkeypatch.setitem(caller.__globals__, "_helper", Called)
    assert fingerprint(caller) != before
    assert fingerprint(_descend.py_func) != fingerprint(_lowered.py_func)  # each names other constants


def test_a_kernel_follows_the_constants_and_the_calls_of_those_that_it_calls(tmp_path: Path) -> None:
    source = SOURCE.replace("return inner", "return middle") + "def middle(x):\n    return inner(x)\n"

    def kernels() -> Callable[..., Any]:
        """Return `outer`, which calls the kernel `middle` of its own file, which calls the kernel `inner`."""
        module = load(write(tmp_path, source), FLOOR=1e-9, SCALE=np.ones(2))
        for name in ("inner", "middle"):
            setattr(module, name, SimpleNamespace(py_func=getattr(module, name)))
        function: Callable[..., Any] = module.outer
        return function

    before = fingerprint(kernels())
    assert fingerprint(kernels()) == before
    changed = kernels()
    changed.__globals__["FLOOR"] = 1e-6  # `inner` alone names it
    assert fingerprint(changed) != before
    changed = kernels()
    changed.__globals__["inner"] = SimpleNamespace(py_func=outer(write(tmp_path / "elsewhere", SOURCE)))
    assert fingerprint(changed) != before


def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(kernel_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    root = kernel_cache.cache_root.__wrapped__
    own = tmp_path / "home" / "vertebra-stress" / "kernels"
    assert root() == own
    assert own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    fallback = tmp_path / f"vertebra-stress-kernels-{os.getuid()}"
    assert root() == fallback
    fallback.rmdir()
    fallback.symlink_to(own)  # somebody else's link in the folder for temporary files
    assert root() is None


def test_other_functions_lie_where_numba_puts_them() -> None:
    assert KernelCacheLocator.from_function(np.linalg.norm, np.__file__) is None
