"""Large arrays that follow from the bundle alone are kept on disk; the next process maps them into its memory.

They lie beside the compiled kernels (`models.kernel_cache`), in a folder of the user alone, by the content of what they
were computed from. All processes of a machine share the memory of one file. Its sha256 is compared at each start.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from models.kernel_cache import cache_root
from models.types import Reals, Singles

log = logging.getLogger(__name__)

FOLDER = "arrays"
LEAST_BYTES = 50 << 20
"""Smaller arrays are computed faster than they are worth keeping; the shipped template's take 290 MB."""

UNUSED_AFTER_S = 30 * 24 * 3600.0
"""Age of its last use at which the array of another bundle is removed."""

KEY_DIGITS = 16


def kept_array(name: str, code: str, inputs: Iterable[Reals], make: Callable[[], Singles]) -> Singles:
    """Return an array, from disk where a process has computed it before; it may be read-only.

    Parameters
    ----------
    name
        What it is, for the file's name.
    code
        Fingerprint of the code that computes it.
    inputs
        The arrays that it is computed from.
    make
        Computes it.
    """
    root = cache_root()
    if root is None:
        return make()
    key = hashlib.sha256(code.encode())
    for array in inputs:
        key.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).data)
    path = root / FOLDER / f"{name}-{key.hexdigest()[:KEY_DIGITS]}.npy"
    found = _load(path)
    if found is not None:
        return found
    made = make()
    if made.nbytes >= LEAST_BYTES:
        _save(path, made)
    return made


def _load(path: Path) -> Singles | None:
    """Return the array of a file; None if it is absent or not what was written."""
    try:
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        if _digest(array) == path.with_suffix(".sha256").read_text():
            os.utime(path)
            return array
        log.warning("%s is damaged, and computed anew", path)
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError) as error:
        log.warning("%s cannot be read, and is computed anew: %s", path, error)
    return None


def _save(path: Path, array: Singles) -> None:
    """Write an array; a full disk only means that the next process computes it too."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _remove_unused(path.parent)
        with draft.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        path.with_suffix(".sha256").write_text(_digest(array))
        draft.replace(path)
    except OSError as error:
        log.warning("%s cannot be kept for the next start: %s", path.name, error)
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _remove_unused(folder: Path) -> None:
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process removes it too
            if path.suffix != ".sha256" and path.stat().st_mtime < time.time() - UNUSED_AFTER_S:
                path.unlink()
                path.with_suffix(".sha256").unlink(missing_ok=True)


def _digest(array: Singles) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
