"""Files of long runs: a killed run leaves no half file, and a folder holds results of one setting only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from training.artifacts.refusal import RefusedInput


class OtherSettingsError(RefusedInput, RuntimeError):
    """A folder holds results of other settings."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield the path of a ``.part`` file to write; it is renamed to `path` when the block ends without an error."""
    part = path.with_suffix(".part")
    yield part
    part.rename(path)


def save_npz(path: Path, **arrays: Any) -> None:
    """Like `numpy.savez`, but through `atomic_path`."""
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def record_settings(folder: Path, **settings: Any) -> None:
    """Write into `folder` what its results are made with; refuse a folder with results of other settings.

    Raises
    ------
    OtherSettingsError
        The folder holds results of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, text = folder / "settings.json", json.dumps(settings, sort_keys=True, indent=2)
    if path.exists() and path.read_text() != text:
        raise OtherSettingsError(
            f"{folder} holds results of other settings ({path}): give another --work, or remove it"
        )
    path.write_text(text)


def fingerprint(*paths: Path) -> str:
    """Return 12 hex digits that change when any of the files does."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()[:12]
