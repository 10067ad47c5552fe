"""A file that is being downloaded."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.contract.result_list import Result
from vertebra_client.calls import Progress
from vertebra_client.errors import AlreadyDownloadingError, UnexpectedAnswerError

if sys.platform != "win32":
    import fcntl

PIECE = 1 << 20
PARTIAL_CONTENT = 206

NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9-]{0,20}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,80}")
"""A name of a result: a file, or one in the folder of its level. It fits every file system, and leaves no folder."""

SHA256 = re.compile("[0-9a-f]{64}")


class PartialFile:
    """Takes the bytes of a result into a file beside its place, and moves it there when it is whole.

    The file's name has the beginning of the SHA-256, so a later program goes on with what an earlier one left. One at a
    time: the file is locked while it is held (but not on Windows, or where the file system has no locks). Whether it
    is whole is judged by the bytes in the file, whoever wrote them.
    """

    def __init__(self, target: Path, sha256: str, total: int, progress: Progress | None = None) -> None:
        self.target, self.total, self.size = target, total, 0
        self._sha256, self._progress = sha256, progress
        self._path = target.with_name(f".{target.name}.{sha256[:12]}.part")
        self._file: IO[bytes] | None = None

    @classmethod
    def of(cls, result: Result, folder: Path, progress: Progress | None = None) -> PartialFile:
        """Return that of a result in a folder; results of a level lie in a folder of its own there.

        Raises
        ------
        UnexpectedAnswerError
            The name or the SHA-256 is none that this service gives.
        """
        if not SHA256.fullmatch(result.sha256):
            raise UnexpectedAnswerError("The server lists a result with no SHA-256.", 200, result.sha256[:100])
        return cls(folder / inner_path(result.name), result.sha256, result.size, progress)

    def is_there(self) -> bool:
        """Return whether the target is there already, whole."""
        if not self.target.is_file() or self.target.stat().st_size != self.total:
            return False
        with self.target.open("rb") as file:
            return _sha256_of(file) == self._sha256

    @contextmanager
    def held(self) -> Iterator[None]:
        """Open the file, for nobody else. What it has afterwards stays.

        Raises
        ------
        AlreadyDownloadingError
            Somebody else holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _open_alone(self._path)
        self.size = self._file.seek(0, os.SEEK_END)
        try:
            yield
        finally:
            if self._file is not None:
                self._let_go()

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
        """Go on with the file, or from its beginning where the server sends all of it."""
        if status != PARTIAL_CONTENT:
            self.discard()

    def feed(self, data: bytes) -> bool:
        """Write a piece; return True where more comes than there should be."""
        self._opened().write(data)
        self.size += len(data)
        if self._progress is not None:
            self._progress(self.size, self.total)
        return self.size > self.total

    def is_whole(self) -> bool:
        """Return whether size and SHA-256 of the file are right."""
        file = self._opened()
        file.flush()
        return os.fstat(file.fileno()).st_size == self.total and _sha256_of(file) == self._sha256

    def keep(self) -> Path:
        """Move the file to its place; return that."""
        file, self._file = self._opened(), None
        if sys.platform == "win32":  # no open file can be moved there
            file.close()
        with file:  # locked until it has moved
            os.replace(self._path, self.target)
        return self.target

    def discard(self) -> None:
        """Forget what was downloaded."""
        self._opened().truncate(0)
        self.size = 0

    def _opened(self) -> IO[bytes]:
        assert self._file is not None
        return self._file

    def _let_go(self) -> None:
        """Close the file, and remove it if nothing is in it."""
        file, self._file = self._opened(), None
        if sys.platform == "win32":  # no open file can be removed there
            file.close()
        with file:
            if self.size == 0:
                self._path.unlink(missing_ok=True)


def inner_path(name: str) -> Path:
    """Return the path within a folder for the name of a result. Raise `UnexpectedAnswerError` where it is none."""
    if not NAME.fullmatch(name):
        raise UnexpectedAnswerError(f"The server lists a result with a strange name: {name[:100]!r}", 200, name[:100])
    return Path(name)


def _open_alone(path: Path) -> IO[bytes]:
    """Open a file to append to it, and lock it. Raise `AlreadyDownloadingError` where somebody else has."""
    while True:
        file = path.open("a+b")
        try:
            _lock(file)
            if _is_at(path, file):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # who held it has moved or removed it meanwhile


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AlreadyDownloadingError(f"Another program downloads {file.name} just now.") from error
    except OSError:  # a file system without locks
        return


def _is_at(path: Path, file: IO[bytes]) -> bool:
    """Return whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sha256_of(file: IO[bytes]) -> str:
    """Return the SHA-256 of all bytes of a file, hex."""
    file.seek(0)
    digest = hashlib.sha256()
    while data := file.read(PIECE):
        digest.update(data)
    return digest.hexdigest()
