"""Gateway processes behind one port. Any of them answers any request: what they share is in database and storage."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from app.jobs.settings import Settings
from app.listeners import listen
from app.supervisor import Child, Supervisor, python_path

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable of the folder in which processes add up their counters; see ``prometheus_client.multiprocess``."""


def gateway_command(*options: str) -> list[str]:
    """Return the command line of a gateway; see `app.gateway` for the options."""
    return [sys.executable, "-m", "app.gateway", *options]


def gateways(listeners: Sequence[socket.socket], environment: Mapping[str, str]) -> list[Child]:
    """Return a gateway process for each listening socket."""
    several = len(listeners) > 1
    return [
        Child(
            f"gateway {i}" if several else "gateway",
            gateway_command("--fd", str(listener.fileno())),
            environment,
            inherited=(listener.fileno(),),
        )
        for i, listener in enumerate(listeners, start=1)
    ]


@contextmanager
def shared_metrics(environment: Mapping[str, str], processes: int) -> Iterator[dict[str, str]]:
    """Yield the environment in which so many gateway processes add up their counters."""
    if processes == 1:
        yield dict(environment)
        return
    with tempfile.TemporaryDirectory(prefix="vertebra-metrics-", dir=environment.get("TMPDIR")) as folder:
        yield {**environment, METRICS_FOLDER: folder}


def run_gateways(settings: Settings) -> None:
    """Run the settings' number of gateway processes until SIGTERM or SIGINT. Raises as `app.listeners.listen` does."""
    processes = settings.gateway_processes
    with (
        listen(settings.host, settings.port, processes) as listeners,
        shared_metrics(os.environ | {"PYTHONPATH": python_path()}, processes) as environment,
    ):
        supervisor = Supervisor(gateways(listeners, environment))
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, supervisor.end)
        supervisor.run()
