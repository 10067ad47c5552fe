"""Folders and files that only their owner may read. They hold patient data, so the umask does not decide."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
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
    with suppress(FileNotFoundError):  # or is deleted now, as SQLite's journal by another process
        if path.stat().st_uid == os.geteuid():
            path.chmod(FOLDER_MODE if path.is_dir() else FILE_MODE)


def open_private(path: str, flags: int) -> int:
    """Open a file as ``open(..., opener=open_private)``; a new one gets `FILE_MODE`."""
    return os.open(path, flags, FILE_MODE)


def write_private(path: Path, text: str) -> None:
    """Replace a small file as a whole by one with `FILE_MODE`; its folder is made if it is absent."""
    make_private_folder(path.parent)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.new")
    try:
        with open(temporary, "x", encoding="ascii", opener=open_private) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
