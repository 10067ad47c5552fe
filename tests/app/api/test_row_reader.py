"""One query serves the requests that wait together; each gets its own row, or nothing of another tenant."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from app.api.row_reader import RowReader
from app.jobs.settings import Settings
from app.jobs.store import JobStore, open_store
from tests.app.harness import new_row


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    store = open_store(Settings(data_dir=tmp_path))
    for i in range(20):
        store.create(new_row(f"{i:032x}", "a" if i < 10 else "b"))
    return store


def count_queries(store: JobStore) -> list[Any]:
    queries: list[Any] = []

    @event.listens_for(store.engine, "before_cursor_execute")
    def _note(*arguments: Any) -> None:
        queries.append(arguments[3])

    return queries


def test_requests_that_wait_share_a_query(store: JobStore) -> None:
    queries = count_queries(store)

    async def ask() -> list[Any]:
        reader = RowReader(store)
        keys = [("a" if i < 10 else "b", f"{i:032x}") for i in range(20)] * 3
        rows = await asyncio.gather(*(reader.get(*key) for key in keys))
        reader.close()
        return [(row.tenant, row.id) == key for row, key in zip(rows, keys, strict=True) if row is not None]

    assert asyncio.run(ask()) == [True] * 60
    assert len(queries) == 1


def test_a_row_of_another_tenant_a_deleted_and_an_absent_one_are_none(store: JobStore) -> None:
    assert store.delete("a", f"{3:032x}")

    async def ask() -> list[Any]:
        reader = RowReader(store)
        keys = [("a", f"{12:032x}"), ("a", f"{3:032x}"), ("a", "f" * 32), ("b", f"{12:032x}")]
        rows = await asyncio.gather(*(reader.get(*key) for key in keys))
        reader.close()
        return [row and row.id for row in rows]

    assert asyncio.run(ask()) == [None, None, None, f"{12:032x}"]


def test_an_answer_is_never_older_than_its_request(store: JobStore) -> None:
    """A request that comes while a query runs waits for the next one."""
    job_id = f"{0:032x}"
    queries = count_queries(store)

    async def ask() -> str | None:
        reader = RowReader(store)
        first = asyncio.create_task(reader.get("a", job_id))
        while not queries:
            await asyncio.sleep(0)
        with store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE jobs SET stage = 'solve'")
        row = await reader.get("a", job_id)
        await first
        reader.close()
        assert row is not None
        return row.stage

    assert asyncio.run(ask()) == "solve"


def test_an_error_reaches_every_request_and_the_next_query_works(store: JobStore) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO away")

    async def ask() -> int:
        reader = RowReader(store)
        errors = await asyncio.gather(*(reader.get("a", f"{i:032x}") for i in range(5)), return_exceptions=True)
        with store.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO jobs")
        assert await reader.get("a", f"{0:032x}") is not None
        reader.close()
        return sum(isinstance(error, SQLAlchemyError) for error in errors)

    assert asyncio.run(ask()) == 5
