from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from app.jobs import database
from app.jobs.database import upgrade_database
from app.jobs.settings import Settings
from tests.app.harness import KEYS, PATIENCE_S, Broker, running_broker, running_gateway
from tests.app.postgres_server import new_database, running_postgres


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file that was upgraded from nothing, revision by revision."""
    path: Path = tmp_path_factory.mktemp("tables") / "jobs.sqlite3"
    upgrade_database(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module", autouse=True)
def copied_tables(tables: Path) -> Iterator[None]:
    """A new SQLite file gets a copy of `tables`, which the upgrade then finds at the head.

    All revisions take 0.3 s of the processor, for each of hundreds of databases. A module whose tests are about the
    upgrade has a fixture of this name that does nothing.
    """
    upgrade, one_at_a_time = database.upgrade, threading.Lock()

    def upgrade_copy(engine: Engine) -> None:
        file = Path(engine.url.database or "")
        with one_at_a_time:
            if engine.dialect.name == "sqlite" and file.stat().st_size == 0:
                with closing(sqlite3.connect(tables)) as source, closing(sqlite3.connect(file)) as target:
                    source.backup(target)
        upgrade(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "upgrade", upgrade_copy)
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Yield the URL of a real PostgreSQL database with the tables of this software; skip where there is no server."""
    with running_postgres() as url:
        upgrade_database(url)
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a new database without tables, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite3'}"
    return new_database(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="module")
def settings(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("data")
    return Settings(
        data_dir=folder,
        broker_url=broker.url,
        api_keys=KEYS,
        max_upload_bytes=4 << 20,
        models_dir=folder / "models",
        dicomweb_servers={"pacs": "http://127.0.0.1:9/dicom-web"},
        dicomweb_tenants={"pacs": ["tenant-a"]},
        dicomweb_sources=["pacs"],
        stale_after_s=3600,
    )


@pytest.fixture(scope="module")
def gateway(settings: Settings) -> Iterator[str]:
    with running_gateway(settings) as url:
        yield url


@pytest.fixture(scope="module")
def client(gateway: str) -> Iterator[httpx.Client]:
    """Return a client with the key of tenant a."""
    with httpx.Client(base_url=gateway, headers={"Authorization": "Bearer key-a"}, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(gateway: str) -> Iterator[httpx.Client]:
    """Return a client with the key of tenant b."""
    with httpx.Client(base_url=gateway, headers={"X-API-Key": "key-b"}, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def nobody(gateway: str) -> Iterator[httpx.Client]:
    """Return a client without a key."""
    with httpx.Client(base_url=gateway, timeout=PATIENCE_S) as client:
        yield client
