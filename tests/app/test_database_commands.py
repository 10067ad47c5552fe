"""``vertebra-stress database``, and the processes that refuse tables of another version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from app.cli import main
from app.jobs.database import connect, upgrade_database
from app.jobs.schema import head, version
from tests.app.harness import ROOT
from tests.app.postgres_server import new_database


@pytest.fixture(scope="module", autouse=True)
def copied_tables() -> None:
    """Here each database is upgraded from nothing."""


def make_newer(url: str) -> None:
    upgrade_database(url)
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'of_next_year'"))
    engine.dispose()


def test_upgrade_and_status(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERTEBRA_DATABASE_URL", empty_database)
    assert main(["database", "status"]) == 1
    assert f"at no revision; this software needs revision {head()}" in capsys.readouterr().out
    assert main(["database", "upgrade"]) == 0
    assert f"was at no revision and is at revision {head()} now" in capsys.readouterr().out
    assert main(["database", "upgrade"]) == 0
    assert f"at revision {head()} already" in capsys.readouterr().out
    capsys.readouterr()
    assert main(["database", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"revision": head(), "needed": head()}
    engine = connect(empty_database)
    assert version(engine) == head()
    engine.dispose()


@pytest.mark.parametrize("command", ["gateway", "worker", "serve"])
def test_the_processes_refuse_a_newer_database(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite3'}"
    make_newer(url)
    monkeypatch.setenv("VERTEBRA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VERTEBRA_DATABASE_URL", url)
    monkeypatch.setenv("VERTEBRA_BROKER_URL", "redis://127.0.0.1:1/0")
    assert main([command]) == 1
    assert "The database is newer than this software." in capsys.readouterr().err


@pytest.mark.parametrize("command", ["gateway", "worker"])
def test_the_processes_refuse_an_empty_postgresql_database(
    command: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERTEBRA_DATABASE_URL", new_database(postgres_url))
    monkeypatch.setenv("VERTEBRA_BROKER_URL", "redis://127.0.0.1:1/0")
    assert main([command]) == 1
    assert "`vertebra-stress database upgrade`" in capsys.readouterr().err


def test_a_worker_that_celery_starts_refuses_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite3'}"
    make_newer(url)
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers.celery_app", "worker"],
        cwd=ROOT,
        env=os.environ | {"VERTEBRA_DATABASE_URL": url, "VERTEBRA_BROKER_URL": "redis://127.0.0.1:1/0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "The database is newer than this software." in done.stderr
