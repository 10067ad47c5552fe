"""A service on several machines: two gateways and two workers, each with links of its own to the servers.

PostgreSQL, Valkey and an S3 server are real. The machines are processes of this one; what makes them machines is that
they share no folder, that each has links of its own, which can be cut, and that the second worker's clock is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from app.broker import EmbeddedBroker, free_port
from app.jobs.database import upgrade_database
from app.jobs.settings import Settings
from app.supervisor import Child
from tests.app.harness import environment, wait_for
from tests.app.postgres_server import running_postgres
from tests.app.s3_server import answers, make_bucket, require_s3, s3_command, s3_variables
from tests.faults.links import HOST, Link, Network, running_network
from tests.faults.stack import Stack, gateway, kept_running, logged, ready, worker

WRONG_CLOCK_S = -60
"""By so much the clock of the second worker's host is wrong, seconds."""


@dataclass(frozen=True)
class Servers:
    """Where the servers are that all machines share: the database's URL, the queue, the port of the storage."""

    database: str
    queue: EmbeddedBroker
    storage_port: int

    def target(self, server: str) -> int | Path:
        """Return where a link to a server leads."""
        if server == "database":
            return Path(str(make_url(self.database).query["host"])) / ".s.PGSQL.5432"
        return self.queue.port if server == "queue" else self.storage_port


@dataclass(frozen=True)
class Machines(Stack):
    """The processes, the links of each by the server's name, the storage's process and the database's own URL."""

    network: Network
    links: dict[str, dict[str, Link]]
    storage: Child
    database: str


@contextmanager
def running_on_machines(data: Path, **more: Any) -> Iterator[Machines]:
    """Start servers and machines, yield when they are ready, and keep them running. ``more`` are settings of all."""
    require_s3()
    data.mkdir()
    with running_postgres() as database, running_network() as network:
        upgrade_database(database)
        servers = Servers(database, EmbeddedBroker.prepare(data / "broker"), free_port(HOST))
        storage = logged("storage", s3_command(servers.storage_port), os.environ, data)
        endpoint = f"http://{HOST}:{servers.storage_port}"
        with kept_running([storage]):
            wait_for(lambda: answers(endpoint), "S3 server")
            more["storage_url"] = make_bucket(endpoint)
            machines = _machines(data, servers, network, storage, more)
            with ready(machines):
                yield machines


def _machines(data: Path, servers: Servers, network: Network, storage: Child, more: dict[str, Any]) -> Machines:
    names = ("gateway-1", "gateway-2", "worker-1", "worker-2")
    links = {
        name: {server: network.link(servers.target(server)) for server in ("database", "queue", "storage")}
        for name in names
    }
    ports = {name: free_port(HOST) for name in names}
    variables = {name: _variables(data / name, servers, links[name], more | {"port": ports[name]}) for name in names}
    variables["worker-2"]["FAKE_WORKER_CLOCK_S"] = str(WRONG_CLOCK_S)
    return Machines(
        logs=data,
        urls=[f"http://{HOST}:{ports[name]}" for name in names[:2]],
        broker_url=servers.queue.url,
        broker=logged("broker", servers.queue.command, os.environ, data),
        gateways=[gateway(name, variables[name], data) for name in names[:2]],
        workers=[worker(name, variables[name], data) for name in names[2:]],
        network=network,
        links=links,
        storage=storage,
        database=servers.database,
    )


def _variables(folder: Path, servers: Servers, links: Mapping[str, Link], more: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a machine: it knows the servers by its own links alone."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    database = make_url(servers.database).set(host=HOST, port=links["database"].port, query={"sslmode": "disable"})
    settings = Settings(
        data_dir=folder,
        broker_url=servers.queue.url.replace(f":{servers.queue.port}/", f":{links['queue'].port}/"),
        database_url=database.render_as_string(hide_password=False),
        allow_anonymous=True,
        **more,
    )
    endpoint = f"http://{HOST}:{links['storage'].port}"
    return environment(settings) | s3_variables(endpoint) | {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
