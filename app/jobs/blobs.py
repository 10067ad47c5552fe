"""Blob storage: one small interface to a local folder, or to any store that fsspec reaches (such as S3).

A blob becomes visible under its key only when its writer commits. In a local folder the commit renames a temporary
file; on S3 it completes the multipart upload. The writer computes size and SHA-256 while the bytes pass through.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem

from app.contract.errors import StorageUnavailable

CHUNK_BYTES = 1 << 20
"""Bytes read or copied at a time."""

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
def _storage_errors() -> Iterator[None]:
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


def _unavailable(reason: str) -> StorageUnavailable:
    return StorageUnavailable(f"The file storage failed: {reason}. Try again later.")


class BlobWriter:
    """Streams one blob. As a context manager it aborts at the end unless the caller has called `commit`."""

    def __init__(self, blobs: BlobStore, key: str) -> None:
        self._blobs = blobs
        self._path = blobs.path(key)
        self._hash = hashlib.sha256()
        self._is_open = True
        self.size = 0
        with _storage_errors():
            if blobs.local:
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
                self._temporary = f"{self._path}.{uuid.uuid4().hex}{PART_SUFFIX}"
                self._file: Any = open(self._temporary, "wb")  # noqa: SIM115 - closed by commit or abort
            else:
                self._file = blobs.fs.open(self._path, "wb", block_size=REMOTE_BLOCK_BYTES, autocommit=False)

    def write(self, data: bytes) -> None:
        """Append bytes to the blob."""
        with _storage_errors():
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def commit(self) -> BlobInfo:
        """Make the blob durable and visible under its key."""
        with _storage_errors():
            if self._blobs.local:
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
        with _storage_errors():
            if self._blobs.local:
                self._file.close()
                Path(self._temporary).unlink(missing_ok=True)
            else:
                self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.abort()


class BlobStore:
    """Blobs under keys such as ``jobs/{id}/input/ct``.

    Parameters
    ----------
    url
        A folder, or an fsspec URL such as ``s3://bucket/prefix``. The usual ``AWS_*`` variables give endpoint and
        credentials of S3.
    """

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {"use_listings_cache": False} if "://" in url else {}
        with _storage_errors():
            self.fs, self.root = fsspec.core.url_to_fs(url, **options)
        self.local = isinstance(self.fs, LocalFileSystem)
        if self.local:
            with _storage_errors():
                Path(self.root).mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> str:
        """Return the path of a key in the file system. Raise `ValueError` if it would leave the root."""
        parts = PurePosixPath(key).parts
        if not parts or ".." in parts or key.startswith("/"):
            raise ValueError(f"expected a relative key without '..', got {key!r}")
        return f"{self.root}/{'/'.join(parts)}"

    def check(self) -> None:
        """Raise `StorageUnavailable` if the store does not answer."""
        with _storage_errors():
            try:
                if self.local and not os.access(self.root, os.W_OK):
                    raise PermissionError(13, "the folder is absent or not writable")
                self.fs.ls(self.root, detail=False)
            except FileNotFoundError:
                if self.local:
                    raise

    def writer(self, key: str) -> BlobWriter:
        """Return a writer of a new blob."""
        return BlobWriter(self, key)

    def put_file(self, key: str, source: Path) -> BlobInfo:
        """Upload a local file."""
        with self.writer(key) as writer, source.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                writer.write(chunk)
            return writer.commit()

    def fetch(self, key: str, target: Path) -> None:
        """Download a blob to a local file."""
        with _storage_errors(), self.fs.open(self.path(key), "rb") as stream, target.open("wb") as out:
            shutil.copyfileobj(stream, out, CHUNK_BYTES)

    def size(self, key: str) -> int:
        """Return the size of a blob in bytes. Raise `FileNotFoundError` if it is absent."""
        with _storage_errors():
            return int(self.fs.size(self.path(key)))

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a blob in chunks, or ``length`` bytes of it from byte ``start``."""
        with _storage_errors(), self.fs.open(self.path(key), "rb") as stream:
            stream.seek(start)
            bytes_left = length
            while bytes_left is None or bytes_left > 0:
                chunk = stream.read(CHUNK_BYTES if bytes_left is None else min(CHUNK_BYTES, bytes_left))
                if not chunk:
                    return
                if bytes_left is not None:
                    bytes_left -= len(chunk)
                yield chunk

    def folders(self, prefix: str) -> list[str]:
        """Return the names directly below a prefix."""
        with _storage_errors():
            try:
                return sorted(PurePosixPath(path).name for path in self.fs.ls(self.path(prefix), detail=False))
            except FileNotFoundError:
                return []

    def last_change(self, prefix: str) -> float:
        """Return the time of the last change below a prefix (seconds since the epoch), or 0 if nothing is there."""
        with _storage_errors():
            entries = list(self.fs.find(self.path(prefix), withdirs=True, detail=True).values())
            with suppress(FileNotFoundError):  # S3 has no folders
                entries.append(self.fs.info(self.path(prefix)))
            return max((_changed_at(entry) for entry in entries), default=0.0)

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below a prefix, if anything is there."""
        with _storage_errors():
            if self.local:
                shutil.rmtree(self.path(prefix), ignore_errors=True)
                return
            try:
                self.fs.rm(self.path(prefix), recursive=True)
            except FileNotFoundError:
                return


def _changed_at(entry: dict[str, Any]) -> float:
    """Return when an fsspec entry changed: local ``mtime``, S3 ``LastModified``, memory ``created``."""
    value = entry.get("mtime") or entry.get("LastModified") or entry.get("created") or 0.0
    return float(value.timestamp()) if hasattr(value, "timestamp") else float(value)


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
