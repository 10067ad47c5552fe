"""Restore of a back-up (`app.jobs.backup`) into an empty data folder."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.jobs.backup import DATABASE, FILES, FORMAT, MANIFEST, Contents, files_of, make_one_file, sqlite_path
from app.jobs.blobs import CHUNK_BYTES, BlobStore
from app.jobs.database import connect
from app.jobs.private_files import make_private_folder, open_private
from app.jobs.row_maintenance import release_all
from app.jobs.rows import JobRow
from app.jobs.schema import upgrade
from app.jobs.settings import Settings, SettingsError
from app.jobs.storage_keys import JOBS_PREFIX, job_prefix
from app.jobs.store import JobStore


def restore(settings: Settings, source: Path) -> Contents:
    """Bring back the database and every file, each compared with its sha256; return what was restored.

    Tables of an older release are upgraded, and jobs that ran are queued again. The database gets its name last, so a
    restore that is cut off leaves no service that looks whole.

    Raises
    ------
    SettingsError
        The archive is damaged or not a back-up, the database is not SQLite, or something is there already.
    WrongDatabaseVersion
        A newer release made the back-up.
    StorageUnavailable
        The storage does not answer.
    """
    database, blobs = sqlite_path(settings), BlobStore(settings.storage)
    if database.exists() or blobs.folders(JOBS_PREFIX):
        raise SettingsError(f"There are jobs at {database} or {settings.storage}. Restore into an empty data folder.")
    make_private_folder(database.parent)
    unfinished = database.with_name(f"{database.name}.restoring")
    try:
        with _opened(source) as archive:
            _extract(archive, DATABASE, unfinished)
            contents = _restore_files(archive, unfinished, blobs, settings)
        os.replace(unfinished, database)
    finally:
        unfinished.unlink(missing_ok=True)
    return contents


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, mode="r:") as archive:
            manifest = json.load(_member(archive, MANIFEST))
            if manifest["format"] != FORMAT:
                raise SettingsError(f"{source} has the format {manifest['format']}; this release reads {FORMAT}.")
            yield archive
    except (tarfile.TarError, KeyError, ValueError, EOFError, FileNotFoundError) as error:
        raise SettingsError(f"{source} is not a whole back-up ({type(error).__name__}: {error}).") from error


def _restore_files(archive: tarfile.TarFile, snapshot: Path, blobs: BlobStore, settings: Settings) -> Contents:
    """Upgrade the tables of the snapshot, store the files that its rows name, and queue the jobs that ran."""
    engine = connect(f"sqlite:///{snapshot}")
    contents = Contents()
    try:
        upgrade(engine)
        with Session(engine) as session:
            rows = session.scalars(select(JobRow)).all()
        for row in rows:
            try:
                for key, sha256 in files_of(row):
                    contents.size += _restore_file(archive, blobs, key, sha256)
                    contents.files += 1
            except BaseException:
                for begun in rows:
                    blobs.delete_tree(job_prefix(begun.id))
                raise
            contents.jobs += 1
        release_all(
            JobStore(
                engine,
                max_attempts=settings.max_attempts,
                stale_after_s=settings.stale_after_s,
                deadline_s=settings.job_deadline_s,
            )
        )
    finally:
        engine.dispose()
    make_one_file(snapshot)
    return contents


def _restore_file(archive: tarfile.TarFile, blobs: BlobStore, key: str, sha256: str) -> int:
    """Store one file; return its size."""
    with _member(archive, FILES + key) as stream, blobs.writer(key) as writer:
        while chunk := stream.read(CHUNK_BYTES):
            writer.write(chunk)
        info = writer.commit()
    if info.sha256 != sha256:
        raise ValueError(f"{key} has the sha256 {info.sha256}, expected {sha256}")
    return info.size


def _extract(archive: tarfile.TarFile, name: str, target: Path) -> None:
    with _member(archive, name) as stream, open(target, "wb", opener=open_private) as file:
        shutil.copyfileobj(stream, file)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """Return the content of a member. Raise `KeyError` if it is absent, `tarfile.TarError` if it is no plain file."""
    stream = archive.extractfile(name)
    if stream is None:
        raise tarfile.TarError(f"{name} is not a plain file")
    return stream
