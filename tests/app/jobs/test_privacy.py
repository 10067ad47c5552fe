"""What lies on the disk is its owner's alone, whatever the umask; errors of the database hold no values."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError

from app.jobs.blobs import BlobStore
from app.jobs.database import open_database
from app.jobs.private_files import write_private
from app.jobs.rows import JobRow
from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import new_row

SECRET = "order-of-Mrs-Doe"


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_folders_and_files_are_private(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "deep" / "data")
    store = open_store(settings)
    store.create(new_row("a" * 32))
    blobs = BlobStore(settings.storage)
    source = tmp_path / "report.json"
    source.write_text("{}")
    blobs.put_file(f"jobs/{'a' * 32}/results-1/report.json", source)
    with blobs.writer(f"jobs/{'a' * 32}/input/ct") as writer:
        writer.write(b"half")
        modes = {path.relative_to(tmp_path): path.stat().st_mode & 0o777 for path in (tmp_path / "deep").rglob("*")}
    store.engine.dispose()
    data = settings.data_dir.relative_to(tmp_path)
    assert {data / name for name in ("jobs.sqlite3", "jobs.sqlite3-wal", "jobs.sqlite3-shm")} <= set(modes)
    assert {modes[path] for path in modes if (tmp_path / path).is_dir()} == {0o700}
    assert {modes[path] for path in modes if not (tmp_path / path).is_dir()} == {0o600}


@pytest.mark.usefixtures("open_umask")
def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    database = tmp_path / "jobs.sqlite3"
    for path in (database, tmp_path / "jobs.sqlite3-wal"):
        path.touch(mode=0o666)
    (tmp_path / "blobs" / "jobs").mkdir(parents=True, mode=0o777)
    open_database(f"sqlite:///{database}").dispose()
    BlobStore(str(tmp_path / "blobs"))
    assert database.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "blobs" / "jobs").stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("open_umask")
def test_a_secret_is_written_as_a_whole_and_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "secrets" / "key"
    write_private(path, "first")
    assert {folder.stat().st_mode & 0o777 for folder in (path.parent, path.parent.parent)} == {0o700}
    path.chmod(0o644)
    write_private(path, "second")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("second", 0o600)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, "third")
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_an_error_of_the_database_tells_no_value(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}" if backend == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_database(url)
    values = {"id": "b" * 32, "tenant": "t", "idempotency_key": SECRET, "params": {"x": SECRET}, "ct_sha256": SECRET}
    whole = values | {"ct_size": 1, "created_at": 1.0, "state": "queued", "percent": 0.0, "attempt": 0, "token": 0}
    failing = [whole, whole | {"id": "c" * 32}, values, whole | {"id": "d" * 32, "ct_size": f"{SECRET} bytes"}]
    failures = 0
    for row in failing:  # a copy, a copy of the key, an absent value, a value of the wrong type
        try:
            with engine.connect() as connection:  # never committed
                for each in (whole, row) if row is not values else (row,):
                    connection.execute(insert(JobRow.__table__), each)
        except SQLAlchemyError:
            failures += 1
            logging.getLogger("test").exception("the database failed")
    engine.dispose()
    assert failures >= 3
    assert "IntegrityError" in caplog.text
    assert SECRET not in caplog.text
