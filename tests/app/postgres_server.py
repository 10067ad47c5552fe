"""A real PostgreSQL server for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from app.jobs.database import upgrade_database

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def postgres_command(folder: Path, *command: str) -> list[str]:
    """Return a command that runs as ``nobody`` if this process is root, because the server refuses root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a server on a socket in a folder of its own and yield its URL. Skip the test where none is installed."""
    if not POSTGRES:
        pytest.skip("no PostgreSQL server binary under /usr/lib/postgresql")
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL does not run as root and there is no setpriv")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    folder = Path("/tmp") / f"vertebra-pg-{uuid.uuid4().hex[:8]}"  # the user nobody cannot enter pytest's folders
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    binaries = POSTGRES[-1].parent
    data = str(folder / "data")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    try:
        subprocess.run(
            postgres_command(folder, str(binaries / "initdb"), "-D", data, "-U", "test", "-A", "trust", "-N"), **quiet
        )
        control = [str(binaries / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log")]
        subprocess.run(postgres_command(folder, *control, "-o", options, "start"), **quiet)
        try:
            yield f"postgresql+psycopg://test@/postgres?host={folder}"
        finally:
            subprocess.run(postgres_command(folder, *control, "-m", "immediate", "stop"), **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str) -> str:
    """Make an empty database in the server of a URL; return the new database's URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def ready_database(server: str) -> str:
    """Make a database with the tables of this software in the server of a URL; return its URL."""
    url = new_database(server)
    upgrade_database(url)
    return url
