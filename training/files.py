"""Files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np


def save_npz(path: Path, **arrays: Any) -> None:
    """Like `numpy.savez`, written aside and renamed: a killed run leaves no half file under the name."""
    aside = path.with_suffix(".part")
    with aside.open("wb") as file:
        np.savez(file, **arrays)
    aside.rename(path)


def claim(folder: Path, **settings: Any) -> None:
    """Write down in `folder` what its results were made with; refuse to mix them with others.

    Raises
    ------
    RuntimeError
        The folder holds results of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, text = folder / "settings.json", json.dumps(settings, sort_keys=True, indent=2)
    if path.exists() and path.read_text() != text:
        raise RuntimeError(f"{folder} holds results of other settings ({path}): give another --work, or remove it")
    path.write_text(text)


def fingerprint(*paths: Path) -> str:
    """Return 12 hex digits that change when any of the files does."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()[:12]
