"""Folders and files that only their owner may read. They hold patient data, so the umask does not decide."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
PRIVATE_UMASK = 0o077
"""Mask of a process whose other files (scratch, compiled kernels, cores) nobody else may read either."""


def make_private_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each with `FOLDER_MODE`. Leave a folder that exists as it is."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def close_to_others(path: Path) -> None:
    """Take group's and others' rights to a file or folder of this user away, if the path exists."""
    if path.exists() and path.stat().st_uid == os.geteuid():
        path.chmod(FOLDER_MODE if path.is_dir() else FILE_MODE)


def open_private(path: str, flags: int) -> int:
    """Open a file as ``open(..., opener=open_private)``; a new one gets `FILE_MODE`."""
    return os.open(path, flags, FILE_MODE)
