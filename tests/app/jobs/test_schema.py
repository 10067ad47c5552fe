"""The version of the tables: up from nothing and from release 0.1.0, refused where it does not fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from app.contract.errors import WrongDatabaseVersion
from app.jobs import schema
from app.jobs.database import connect, open_database, require_version, upgrade_database
from app.jobs.rows import Base
from app.jobs.store import JobStore
from tests.app.harness import PATIENCE_S, ROOT
from tests.app.postgres_server import new_database

RELEASE_0_1_0 = (Path(__file__).parent / "release_0_1_0.sql").read_text(encoding="utf-8")
"""The tables that release 0.1.0 made, as SQLAlchemy wrote them for SQLite, with a row in each state."""

OPEN = "import sys; from app.jobs.database import upgrade_database; print(upgrade_database(sys.argv[1]))"


@pytest.fixture(scope="module", autouse=True)
def copied_tables() -> None:
    """Here each database is upgraded from nothing."""


def make_release_0_1_0(url: str) -> None:
    engine = connect(url)
    script = RELEASE_0_1_0 if "sqlite" in url else RELEASE_0_1_0.replace(" DOUBLE", " DOUBLE PRECISION")
    with engine.begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    engine.dispose()


def rows_of_release_0_1_0(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(text("SELECT * FROM jobs ORDER BY id"))]


def test_there_is_one_line_of_revisions_with_one_head() -> None:
    scripts = ScriptDirectory(str(schema.MIGRATIONS))
    assert scripts.get_heads() == [schema.head()]
    assert scripts.get_bases() == ["baseline"]
    assert schema.revisions()[0] == "baseline"
    assert schema.revisions()[-1] == schema.head()


def test_the_head_has_the_tables_of_the_code(empty_database: str) -> None:
    assert upgrade_database(empty_database) == (None, schema.head())
    engine = open_database(empty_database)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_rows_of_release_0_1_0_are_kept(empty_database: str) -> None:
    make_release_0_1_0(empty_database)
    engine = connect(empty_database)
    before = rows_of_release_0_1_0(engine)
    assert [row["state"] for row in before] == ["succeeded", "failed", "queued", "running", "cancelled"]
    with pytest.raises(WrongDatabaseVersion, match=r"older than this software.*vertebra-stress database upgrade"):
        schema.check_version(engine)

    assert upgrade_database(empty_database) == (None, schema.head())
    assert upgrade_database(empty_database) == (schema.head(), schema.head())
    after = rows_of_release_0_1_0(engine)
    before[4]["state"] = "deleted"  # what a client deleted was called cancelled
    assert [{name: row[name] for name in before[0]} for row in after] == before
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()

    store = JobStore(open_database(empty_database), max_attempts=3, stale_after_s=45, deadline_s=540)
    done = store.get("ward", "0" * 31 + "1")
    assert done is not None
    assert (done.ct_size, done.created_at, done.timings) == (5 << 30, 1764000000.125, {"solve": 12.5})
    assert done.results is not None
    assert done.results[0]["sha256"].startswith("44136fa3")
    refused = store.get("ward", "0" * 31 + "2")
    assert refused is not None
    assert refused.error is not None
    assert refused.error["detail"] == "Größe: 1000 mm"
    claim = store.claim("0" * 31 + "3", "new-worker")
    assert claim is not None
    assert claim.attempt == 1
    assert store.succeed(claim.job_id, claim.token, results=[], timings={}, bundle_version="now")
    store.engine.dispose()


def test_a_release_that_died_between_its_tables_is_completed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite3'}"
    make_release_0_1_0(url)
    engine = connect(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE workers")
        connection.exec_driver_sql("DROP INDEX ix_jobs_state")
    open_database(url).dispose()
    assert inspect(engine).has_table("workers")
    assert "ix_jobs_state" in {index["name"] for index in inspect(engine).get_indexes("jobs")}
    engine.dispose()


def test_processes_that_start_together_do_not_collide(empty_database: str) -> None:
    make_release_0_1_0(empty_database)
    command = [sys.executable, "-c", OPEN, empty_database]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    ends = [process.communicate(timeout=PATIENCE_S) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, ends
    engine = open_database(empty_database)
    assert len(rows_of_release_0_1_0(engine)) == 5
    engine.dispose()


def test_a_failed_upgrade_changes_nothing(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_at_the_end(*_: object) -> None:
        upgrade_to_head(*_)
        raise RuntimeError("the power is gone")

    upgrade_to_head = schema.command.upgrade
    monkeypatch.setattr(schema.command, "upgrade", fail_at_the_end)
    with pytest.raises(RuntimeError, match="power"):
        upgrade_database(empty_database)
    engine = create_engine(empty_database)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_newer_database_is_refused(empty_database: str) -> None:
    upgrade_database(empty_database)
    engine = connect(empty_database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'of_next_year'"))
    for refuse in (upgrade_database, open_database, require_version):
        with pytest.raises(WrongDatabaseVersion, match="newer than this software") as refusal:
            refuse(empty_database)
        assert refusal.value.got == "revision of_next_year, which this release does not know"
        assert refusal.value.expected == f"revision {schema.head()}"
    schema.check_version(engine, may_be_newer=True)  # a process that ran before the upgrade goes on
    engine.dispose()


def test_an_empty_postgresql_database_names_the_command(postgres_url: str) -> None:
    with pytest.raises(WrongDatabaseVersion, match=r"has no tables yet.*vertebra-stress database upgrade"):
        open_database(new_database(postgres_url))
