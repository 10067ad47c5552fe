"""What several machines meet beside what one meets: networks that part, servers that hang up, planned restarts."""

from __future__ import annotations

import random
import signal
import time
from contextlib import suppress

from sqlalchemy import create_engine, text

from app.supervisor import Child
from tests.app.harness import wait_for
from tests.faults.faults import Kinds, faults_of_processes, hang, send
from tests.faults.machines import Machines
from tests.faults.stack import is_ready

PARTED_S = (2.0, 15.0)
"""How long a network is parted: shorter and longer than a silent worker keeps its job (10 s)."""


def faults_of_machines(machines: Machines, source: random.Random, parted_s: tuple[float, float] = PARTED_S) -> Kinds:
    """Return what can be done to a service on several machines. A network is parted for so many seconds."""

    def part_one_link() -> None:
        _part(machines, source, parted_s, [source.choice(["database", "queue", "storage"])])

    def part_a_machine() -> None:
        _part(machines, source, parted_s, ["database", "queue", "storage"])

    return {
        **faults_of_processes(machines, source),
        "gateway told to stop": lambda: send(source.choice(machines.gateways), signal.SIGTERM),
        "storage hangs": lambda: hang(machines.storage, source),
        "database hangs up": lambda: _end_database_sessions(machines),
        "a machine loses a server": part_one_link,
        "a machine loses all servers": part_a_machine,
        "rolling restart": lambda: restart_in_turn(machines),
    }


def restart_in_turn(machines: Machines) -> None:
    """Restart gateways and workers one after the other, each when the one before serves again."""
    for child, urls in [
        *zip(machines.gateways, [[url] for url in machines.urls], strict=True),
        *[(worker, machines.urls) for worker in machines.workers],
    ]:
        _end(child)
        wait_for(lambda urls=urls: all(is_ready(url) for url in urls), f"{child.name} after its restart")


def _end(child: Child) -> None:
    """Tell a process to end, and wait until it has; its supervisor starts the next one."""
    process = child.process
    if process is not None:
        with suppress(ProcessLookupError):
            send(child, signal.SIGTERM)
        wait_for(lambda: child.process is not process, f"the end of {child.name}")


def _part(machines: Machines, source: random.Random, parted_s: tuple[float, float], servers: list[str]) -> None:
    links = machines.links[source.choice(sorted(machines.links))]
    parted = [links[server] for server in servers]
    machines.network.cut(*parted, refuses=source.choice([True, False]))
    time.sleep(source.uniform(*parted_s))
    machines.network.mend(*parted)


def _end_database_sessions(machines: Machines) -> None:
    """End every connection to the database, as a restart of the server does."""
    engine = create_engine(machines.database)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
    engine.dispose()
