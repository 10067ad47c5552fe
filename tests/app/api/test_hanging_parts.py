"""A database that is stopped and a broker that never answers: liveness answers, readiness says which part hangs."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy.exc import OperationalError

from app.jobs.database import connect
from app.jobs.settings import Settings
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, post, running_gateway, wait_for
from tests.app.postgres_server import ready_database

MANY = 60
"""More requests than the 40 threads of the pool that all routes share."""


@contextmanager
def black_hole() -> Iterator[int]:
    """Listen on a port, accept every connection, and never answer; yield the port."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:

        def accept() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


@contextmanager
def stopped(url: str) -> Iterator[None]:
    """Stop every process of a PostgreSQL server, as a machine that hangs does."""
    folder = Path(url.partition("host=")[2])
    master = psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
    family = [master, *master.children(recursive=True)]

    def send(number: signal.Signals) -> None:
        for process in family:
            with suppress(psutil.NoSuchProcess):  # a worker of the server that had just done its work
                process.send_signal(number)

    send(signal.SIGSTOP)
    try:
        yield
    finally:
        send(signal.SIGCONT)


def client_of(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": "Bearer key-a"}, timeout=PATIENCE_S)


def not_ready(client: httpx.Client) -> dict[str, Any]:
    components: dict[str, Any] = check_problem(client.get("/health/ready"), 503, "not_ready")["components"]
    return components


def lives_beside(client: httpx.Client, ask: Any) -> list[Any]:
    """Return the answers of `MANY` requests that wait, after liveness has answered beside them."""
    with ThreadPoolExecutor(MANY) as threads:
        waiting = [threads.submit(ask) for _ in range(MANY)]
        begin = time.monotonic()
        while not any(answer.done() for answer in waiting) and time.monotonic() < begin + PATIENCE_S:
            assert client.get("/health/live").json() == {"status": "ok"}
            time.sleep(0.05)
        return [answer.result() for answer in waiting]


def test_a_broker_that_never_answers(tmp_path: Path) -> None:
    with black_hole() as port:
        settings = Settings(data_dir=tmp_path, broker_url=f"redis://127.0.0.1:{port}/0", api_keys=KEYS)
        with running_gateway(settings) as url, client_of(url) as client:
            components = not_ready(client)
            assert (components["database"]["ok"], components["storage"]["ok"]) == (True, True)
            assert not components["broker"]["ok"]
            answers = lives_beside(client, lambda: post(client))
            for answer in answers:  # the job is kept
                body = check_problem(answer, 503, "broker_unavailable")
                assert client.get(body["location"]).json()["state"] == "queued"


def test_a_database_that_is_stopped(broker: Broker, postgres_url: str, tmp_path: Path) -> None:
    database = ready_database(postgres_url)
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, database_url=database, api_keys=KEYS)
    with running_gateway(settings) as url, client_of(url) as client:
        path = post(client).headers["location"]
        with stopped(postgres_url):
            components = not_ready(client)
            assert "hangs" in components["database"]["detail"]
            assert "unknown" in components["workers"]["detail"]
            assert (components["storage"]["ok"], components["broker"]["ok"]) == (True, True)
            for answer in lives_beside(client, lambda: client.get(path)):
                check_problem(answer, 503, "storage_unavailable")
        wait_for(lambda: client.get(path).status_code == 200, "the database is used again")
        wait_for(lambda: not_ready(client)["database"]["ok"], "readiness")


def test_every_wait_for_the_database_ends(postgres_url: str) -> None:
    engine = connect(postgres_url, budget_s=1.0)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        with stopped(postgres_url), pytest.raises(OperationalError, match="did not answer within 1 s"):
            connection.exec_driver_sql("SELECT 1")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 2").scalar() == 2
    engine.dispose()
