"""Writes one blob.

A blob becomes visible under its key only when its writer commits. In a local folder the commit renames a temporary
file; on S3 it completes the multipart upload. The writer computes size and SHA-256 while the bytes pass through.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from app.contract.errors import StorageUnavailable
from app.jobs.private_files import make_private_folder, open_private

REMOTE_BLOCK_BYTES = 8 << 20
"""Bytes of one part of a multipart upload; S3 accepts no part below 5 MiB but the last."""

S3_LIBRARIES = {"botocore", "aiobotocore", "aiohttp"}
"""Libraries whose errors mean that the store failed, although they are not `OSError`."""

PART_SUFFIX = ".part"
"""End of the name of a file that its writer has not committed."""


@dataclass(frozen=True)
class BlobInfo:
    """Size in bytes and SHA-256 (hex) of a blob."""

    size: int
    sha256: str


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn errors of the store into `StorageUnavailable`; an absent blob stays a `FileNotFoundError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unavailable(error.strerror or type(error).__name__) from error
    except Exception as error:
        if not any(base.__module__.partition(".")[0] in S3_LIBRARIES for base in type(error).__mro__):
            raise
        raise _unavailable(type(error).__name__) from error


@contextmanager
def writing_errors() -> Iterator[None]:
    """Turn errors of the store into `StorageUnavailable`, those of an absent file too.

    A writer has nothing that may be absent: its folder or its multipart upload was removed, or the answer to a commit
    got lost, and the S3 client asked again for an upload that was complete.
    """
    try:
        with storage_errors():
            yield
    except FileNotFoundError as error:
        raise _unavailable("what was written is gone") from error


def _unavailable(reason: str) -> StorageUnavailable:
    return StorageUnavailable(f"The file storage failed: {reason}. Try again later.")


class BlobWriter:
    """Streams one blob. As a context manager it aborts at the end unless the caller has called `commit`.

    Parameters
    ----------
    fs
        File system of the store.
    path
        Path of the blob in it.

    Attributes
    ----------
    size
        Bytes written so far.
    """

    def __init__(self, fs: AbstractFileSystem, path: str) -> None:
        self._path = path
        self._is_local = isinstance(fs, LocalFileSystem)
        self._hash = hashlib.sha256()
        self._is_open = True
        self.size = 0
        with writing_errors():
            if self._is_local:
                make_private_folder(Path(self._path).parent)
                self._temporary = f"{self._path}.{uuid.uuid4().hex}{PART_SUFFIX}"
                self._file: Any = open(self._temporary, "wb", opener=open_private)  # noqa: SIM115 - closed by commit or abort
            else:
                self._file = fs.open(self._path, "wb", block_size=REMOTE_BLOCK_BYTES, autocommit=False)

    def write(self, data: bytes) -> None:
        """Append bytes to the blob."""
        with writing_errors():
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def commit(self) -> BlobInfo:
        """Make the blob durable and visible under its key."""
        with writing_errors():
            if self._is_local:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                os.replace(self._temporary, self._path)
                _sync_folder(Path(self._path).parent)
            else:
                self._file.close()
                self._file.commit()
        self._is_open = False
        return BlobInfo(self.size, self._hash.hexdigest())

    def abort(self) -> None:
        """Remove what was written, unless the blob is committed."""
        if not self._is_open:
            return
        self._is_open = False
        with storage_errors(), suppress(FileNotFoundError):  # a multipart upload that the store ended itself
            if self._is_local:
                try:
                    self._file.close()  # writes what is left, so a full disk refuses again
                finally:
                    Path(self._temporary).unlink(missing_ok=True)
            else:
                self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.abort()


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
