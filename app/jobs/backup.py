"""Back-up of a service on SQLite: one file with the database and the files of every job.

The archive is a tar: ``manifest.json``, ``jobs.sqlite3``, and under ``files/`` each blob by its key. The database is
copied first, as it is at one moment, then the files that its rows name. The service may run meanwhile. A job that is
deleted in between is left out of the copy too, so a back-up never names a file that it lacks.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Engine, delete, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from app.jobs.blobs import BlobStore
from app.jobs.database import connect
from app.jobs.hashed_stream import HashedStream
from app.jobs.private_files import open_private
from app.jobs.rows import VISIBLE_STATES, JobRow, WorkerRow
from app.jobs.schema import version as revision_of
from app.jobs.settings import Settings, SettingsError
from app.jobs.storage_keys import REFERENCE_PART, ct_key, input_key, results_prefix

MANIFEST, DATABASE, FILES = "manifest.json", "jobs.sqlite3", "files/"
FORMAT = 1
"""Version of the archive's layout."""

READ_ONLY = 0o400


@dataclass
class Contents:
    """What a back-up holds: numbers of jobs and files, bytes of the files, and the jobs whose files are damaged."""

    jobs: int = 0
    files: int = 0
    size: int = 0
    damaged: list[str] = field(default_factory=list)


class _DamagedError(Exception):
    """A file is not there, or is not the one that the row names."""


def back_up(settings: Settings, target: Path) -> Contents:
    """Write the archive; it appears under its name once it is whole.

    Raises
    ------
    SettingsError
        The database is not SQLite, or the target exists.
    StorageUnavailable
        The storage does not answer.
    """
    database = sqlite_path(settings)
    if target.exists():
        raise SettingsError(f"{target} exists already. Name a new file for the back-up.")
    unfinished = target.with_name(f"{target.name}.part")
    with tempfile.TemporaryDirectory(prefix="vertebra-backup-", dir=target.parent) as folder:
        snapshot = Path(folder) / DATABASE
        _copy_database(database, snapshot)
        try:
            with (
                open(unfinished, "wb", opener=open_private) as file,
                tarfile.open(fileobj=file, mode="w") as archive,
            ):
                contents = _write(archive, snapshot, BlobStore(settings.storage), database)
                archive.close()
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
    return contents


def sqlite_path(settings: Settings) -> Path:
    """Return the file of the database. Raise `SettingsError` if it is a server's."""
    url = make_url(settings.database)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise SettingsError(
            "This command is for SQLite. Of PostgreSQL make the back-up with pg_dump, then copy the storage: see "
            "docs/operations."
        )
    return Path(url.database)


def files_of(row: JobRow) -> Iterator[tuple[str, str]]:
    """Yield key and sha256 of every file that a row names."""
    if row.ct_reference_sha256 is not None:
        yield input_key(row.id, REFERENCE_PART), row.ct_reference_sha256
    if row.ct_sha256 != row.ct_reference_sha256:
        yield ct_key(row.id, row.ct_token), row.ct_sha256
    if row.mask_sha256 is not None:
        yield input_key(row.id, "mask"), row.mask_sha256
    for result in row.results or []:
        yield f"{results_prefix(row.id, row.token)}/{result['name']}", result["sha256"]


def _copy_database(database: Path, snapshot: Path) -> None:
    """Copy the database as it is at one moment, while others may write."""
    if not database.is_file():
        raise SettingsError(f"There is no database {database}. Set VERTEBRA_DATA_DIR to the folder of the service.")
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(snapshot)) as copy,
    ):
        source.backup(copy)


def _write(archive: tarfile.TarFile, snapshot: Path, blobs: BlobStore, database: Path) -> Contents:
    """Write the files of each job, then the database without the jobs whose files are gone, then the manifest."""
    contents = Contents()
    copy, live = connect(f"sqlite:///{snapshot}"), connect(f"sqlite:///{database}")
    try:
        with Session(copy) as session, session.begin():
            session.execute(delete(WorkerRow))
            for row in session.scalars(select(JobRow).order_by(JobRow.created_at, JobRow.id)).all():
                try:
                    for key, sha256 in files_of(row):
                        contents.size += _add_file(archive, blobs, key, sha256)
                        contents.files += 1
                    contents.jobs += 1
                except _DamagedError:
                    if _is_kept(live, row.id):
                        contents.damaged.append(row.id)
                    session.delete(row)
        revision = revision_of(copy)
    finally:
        copy.dispose()
        live.dispose()
    make_one_file(snapshot)
    archive.add(snapshot, DATABASE)
    _add_text(archive, MANIFEST, _manifest(revision, contents))
    return contents


def _add_file(archive: tarfile.TarFile, blobs: BlobStore, key: str, sha256: str) -> int:
    """Write a blob; return its size. What is left in the archive by an error has no row, so nobody restores it."""
    try:
        entry = _entry(FILES + key, blobs.size(key))
        stream = HashedStream(blobs.read(key))
        archive.addfile(entry, stream)
    except FileNotFoundError as error:
        raise _DamagedError from error
    if stream.sha256.hexdigest() != sha256:
        raise _DamagedError
    return entry.size


def _is_kept(live: Engine, job_id: str) -> bool:
    with Session(live) as session:
        state = session.scalar(select(JobRow.state).where(JobRow.id == job_id))
    return state in VISIBLE_STATES


def make_one_file(snapshot: Path) -> None:
    """Put what stands in the write-ahead log into the file itself."""
    with closing(sqlite3.connect(snapshot)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def _manifest(revision: str | None, contents: Contents) -> str:
    about = {
        "format": FORMAT,
        "software": f"vertebra-stress {version('vertebra-stress')}",
        "revision": revision,
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "jobs": contents.jobs,
        "files": contents.files,
        "bytes": contents.size,
    }
    return json.dumps(about, indent=1)


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    archive.addfile(_entry(name, len(data)), io.BytesIO(data))


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, READ_ONLY, int(time.time())
    return entry
