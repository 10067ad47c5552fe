"""Blob storage: one small interface to a local folder, or to any store that fsspec reaches (such as S3)."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from app.contract.errors import StorageUnavailable
from app.jobs.blob_writer import BlobInfo, BlobWriter, storage_errors
from app.jobs.private_files import close_to_others, make_private_folder
from app.jobs.storage_keys import JOBS_PREFIX

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
"""Bytes read or copied at a time."""


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
        with storage_errors():
            self.fs, self.root = fsspec.core.url_to_fs(url, **options)
        self.local = isinstance(self.fs, LocalFileSystem)
        self._is_prepared = not self.local
        try:
            self._prepare()
        except StorageUnavailable as error:
            log.warning("%s", error.detail)  # it is used when it answers

    def _prepare(self) -> None:
        """Make the local folder, and take the rights of others away; once."""
        if self._is_prepared:
            return
        with storage_errors():
            make_private_folder(Path(self.root))
            close_to_others(Path(self.root) / JOBS_PREFIX)
        self._is_prepared = True

    def path(self, key: str) -> str:
        """Return the path of a key in the file system. Raise `ValueError` if it would leave the root."""
        parts = PurePosixPath(key).parts
        if not parts or ".." in parts or key.startswith("/"):
            raise ValueError(f"expected a relative key without '..', got {key!r}")
        return f"{self.root}/{'/'.join(parts)}"

    def check(self) -> None:
        """Raise `StorageUnavailable` if the store does not answer."""
        self._prepare()
        with storage_errors():
            try:
                if self.local and not os.access(self.root, os.W_OK):
                    raise PermissionError(13, "the folder is absent or not writable")
                self.fs.ls(self.root, detail=False)
            except FileNotFoundError:
                if self.local:
                    raise

    def writer(self, key: str) -> BlobWriter:
        """Return a writer of a new blob."""
        self._prepare()
        return BlobWriter(self.fs, self.path(key))

    def put_file(self, key: str, source: Path) -> BlobInfo:
        """Upload a local file."""
        with self.writer(key) as writer, source.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                writer.write(chunk)
            return writer.commit()

    def fetch(self, key: str, target: Path) -> None:
        """Download a blob to a local file."""
        with storage_errors(), self.fs.open(self.path(key), "rb") as stream, target.open("wb") as out:
            shutil.copyfileobj(stream, out, CHUNK_BYTES)

    def copy(self, source: str, target: str) -> None:
        """Give a blob a second key. Either key may be deleted; the other stays. Raise `FileNotFoundError` if absent.

        A local folder holds the bytes once, as a hard link, because blobs never change; S3 copies them itself.
        """
        with storage_errors():
            if not self.local:
                self.fs.copy(self.path(source), self.path(target))
                return
            make_private_folder(Path(self.path(target)).parent)
            try:
                os.link(self.path(source), self.path(target))
            except FileNotFoundError:
                raise
            except OSError:  # the file system has no links
                self.put_file(target, Path(self.path(source)))

    def size(self, key: str) -> int:
        """Return the size of a blob in bytes. Raise `FileNotFoundError` if it is absent."""
        with storage_errors():
            return int(self.fs.size(self.path(key)))

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a blob in chunks, or ``length`` bytes of it from byte ``start``."""
        with storage_errors(), self.fs.open(self.path(key), "rb") as stream:
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
        with storage_errors():
            try:
                if self.local:
                    return sorted(os.listdir(self.path(prefix)))
                return sorted(PurePosixPath(path).name for path in self.fs.ls(self.path(prefix), detail=False))
            except FileNotFoundError:
                return []

    def last_change(self, prefix: str) -> float:
        """Return the time of the last change below a prefix (seconds since the epoch), or 0 if nothing is there."""
        with storage_errors():
            if self.local:
                return _last_change_of_folder(self.path(prefix))
            entries = list(self.fs.find(self.path(prefix), withdirs=True, detail=True).values())
            with suppress(FileNotFoundError):  # S3 has no folders
                entries.append(self.fs.info(self.path(prefix)))
            return max((_changed_at(entry) for entry in entries), default=0.0)

    def delete(self, key: str) -> None:
        """Remove a blob, if it is there."""
        with storage_errors(), suppress(FileNotFoundError):
            self.fs.rm_file(self.path(key))

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below a prefix, if anything is there."""
        with storage_errors():
            if self.local:
                shutil.rmtree(self.path(prefix), ignore_errors=True)
                return
            try:
                self.fs.rm(self.path(prefix), recursive=True)
            except FileNotFoundError:
                return


def _last_change_of_folder(path: str) -> float:
    """Return the time of the last change in a local folder, or 0 if it is absent; it may vanish meanwhile."""
    newest = 0.0
    for folder, _, files in os.walk(path):
        for name in ("", *files):
            with suppress(FileNotFoundError):
                newest = max(newest, os.lstat(os.path.join(folder, name)).st_mtime)
    return newest


def _changed_at(entry: dict[str, Any]) -> float:
    """Return when an fsspec entry changed: local ``mtime``, S3 ``LastModified``, memory ``created``."""
    value = entry.get("mtime") or entry.get("LastModified") or entry.get("created") or 0.0
    return float(value.timestamp()) if hasattr(value, "timestamp") else float(value)
