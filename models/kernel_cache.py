"""Where compiled kernels are kept: a folder of the user, by what they were compiled from and for.

numba keeps compiled code beside the source file. A new clone, a new environment or a new release then compiles all of
it again, although nothing has changed. Here the place depends on the content alone, so every process, clone and
release of a user finds what another has compiled, and code that has changed is never found.

The folder is ``$NUMBA_CACHE_DIR`` or else ``$XDG_CACHE_HOME/vertebra-stress/kernels`` (``~/.cache``). Compiled code is
executable, so a default folder that another user can write is not used.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

LOCATOR_VARIABLE = "NUMBA_CACHE_LOCATOR_CLASSES"
OWN_LOCATOR = "models.kernel_cache.KernelCacheLocator"
FALL_BACK = "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator"
"""What numba would use: for functions outside this project, and where there is no safe folder of the user."""

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
CONSTANTS = (bool, int, float, complex, str, bytes, tuple)
"""Types of module constants that numba compiles into the code."""

OUR_PACKAGES = ("models", "workers")


def install() -> None:
    """Let numba keep the kernels of this project where this module says. Call it before the first kernel is made."""
    os.environ.setdefault(LOCATOR_VARIABLE, f"{OWN_LOCATOR},{FALL_BACK}")
    from numba.core import config

    config.reload_config()


@cache
def cache_root() -> Path | None:
    """Return the folder of all compiled kernels of this user, or None where there is no safe one."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return _make(Path(chosen))
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (
        caches / "vertebra-stress" / "kernels",
        Path(tempfile.gettempdir()) / f"vertebra-stress-kernels-{os.getuid()}",
    ):
        made = _make(folder)
        if made is not None and is_private(made):
            return made
    return None


def is_private(folder: Path) -> bool:
    """Return whether a folder is this user's own, and no other user may write it."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & OTHERS_WRITE


def _make(folder: Path) -> Path | None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


@cache
def machine() -> str:
    """Return the name of what kernels are compiled with and for: numba, Python, processor."""
    import llvmlite.binding
    import numba

    python = "".join(platform.python_version_tuple()[:2])
    return f"numba-{numba.__version__}-py{python}-{llvmlite.binding.get_host_cpu_name()}"


def fingerprint(function: Callable[..., Any]) -> str:
    """Return a hash of all that the compiled code of a function depends on.

    This is the text of its file, the constants of other modules that it names, and the same of the kernels that it
    calls.
    """
    reached = _reach(function, [])
    digest = hashlib.sha256()
    for path in sorted({each.__code__.co_filename for each in reached}):
        digest.update(Path(path).read_bytes())
    for each in reached:
        for name in sorted(_names(each.__code__)):
            value: Any = each.__globals__.get(name)
            if isinstance(value, CONSTANTS):
                digest.update(f"{name}={value!r};".encode())
            elif hasattr(value, "tobytes"):  # an array or a number of NumPy
                digest.update(name.encode() + value.tobytes())
    return digest.hexdigest()


def _reach(function: Callable[..., Any], seen: list[Callable[..., Any]]) -> list[Callable[..., Any]]:
    """Add to `seen` a function and the kernels that it calls."""
    if function not in seen:
        seen.append(function)
        for name in sorted(_names(function.__code__)):
            called = getattr(function.__globals__.get(name), "py_func", None)
            if called is not None:
                _reach(called, seen)
    return seen


def _names(code: CodeType) -> set[str]:
    """Return the names that a function and the functions within it look up."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


class KernelCacheLocator:
    """Tells numba where the compiled code of one function lies; see ``NUMBA_CACHE_LOCATOR_CLASSES`` of numba."""

    def __init__(self, function: Callable[..., Any], path: str, root: Path) -> None:
        self._py_file = path  # numba names it in a warning
        self._stamp = fingerprint(function)
        self._folder = root / machine() / f"{function.__module__}.{function.__qualname__}-{self._stamp[:16]}"

    @classmethod
    def from_function(cls, function: Callable[..., Any], path: str) -> KernelCacheLocator | None:
        """Return the place of a kernel of this project; None for any other function."""
        root = cache_root()
        if root is None or function.__module__.partition(".")[0] not in OUR_PACKAGES or not os.path.exists(path):
            return None
        return cls(function, path, root)

    def ensure_cache_path(self) -> None:
        """Make the folder."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        """Return the folder of the compiled code."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """Return what the code was compiled from."""
        return self._stamp

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name in one folder apart: nothing, each has a folder of its own."""
        return "0"
