"""A file that is being downloaded."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import IO

from app.contract.result_list import Result
from vertebra_client.calls import Progress

PIECE = 1 << 20
PARTIAL_CONTENT = 206


class PartialFile:
    """Takes the bytes of a result into a file beside its place, and moves it there when it is whole.

    The file's name has the beginning of the SHA-256, so a later program goes on with what an earlier one left.
    """

    def __init__(self, target: Path, sha256: str, total: int, progress: Progress | None = None) -> None:
        self.target, self.total, self._sha256, self._progress = target, total, sha256, progress
        self._path = target.with_name(f".{target.name}.{sha256[:12]}.part")
        self._hash, self.size = _hash_of(self._path)
        self._file: IO[bytes] | None = None

    @classmethod
    def of(cls, result: Result, folder: Path, progress: Progress | None = None) -> PartialFile:
        """Return that of a result in a folder; results of a level lie in a folder of its own there."""
        return cls(folder / inner_path(result.name), result.sha256, result.size, progress)

    def is_there(self) -> bool:
        """Return whether the target is there already, whole."""
        if not self.target.is_file() or self.target.stat().st_size != self.total:
            return False
        return _hash_of(self.target)[0].hexdigest() == self._sha256

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for what is missing."""
        if not self.size:
            return {"Accept-Encoding": "identity"}
        return {
            "Accept-Encoding": "identity",
            "Range": f"bytes={self.size}-",
            "If-Range": f'"{self._sha256}"',
        }

    def begin(self, status: int) -> None:
        """Open the file: to go on with it, or from its beginning where the server sends all of it."""
        self.close()
        if status != PARTIAL_CONTENT:
            self.discard()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab")

    def feed(self, data: bytes) -> bool:
        """Write a piece; return True where more comes than there should be."""
        assert self._file is not None
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
        if self._progress is not None:
            self._progress(self.size, self.total)
        return self.size > self.total

    def close(self) -> None:
        """Close the file; what it has stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def is_whole(self) -> bool:
        """Return whether size and SHA-256 are right."""
        return self.size == self.total and self._hash.hexdigest() == self._sha256

    def keep(self) -> Path:
        """Move the file to its place; return that."""
        os.replace(self._path, self.target)
        return self.target

    def discard(self) -> None:
        """Forget what was downloaded."""
        self._path.unlink(missing_ok=True)
        self._hash, self.size = hashlib.sha256(), 0


def inner_path(name: str) -> Path:
    """Return a path within a folder for the name of a result, at most one folder deep, whatever the server says."""
    return Path(*[part for part in PurePosixPath(name).parts if part not in ("/", "..")][-2:])


def _hash_of(path: Path) -> tuple[hashlib._Hash, int]:
    """Return the SHA-256 of a file and its size in bytes; of an absent one that of nothing."""
    digest, size = hashlib.sha256(), 0
    if path.is_file():
        with path.open("rb") as file:
            while data := file.read(PIECE):
                digest.update(data)
                size += len(data)
    return digest, size
