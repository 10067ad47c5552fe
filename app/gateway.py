"""A gateway process: ``python -m app.gateway`` serves `app.application` with uvicorn."""

from __future__ import annotations

import argparse
import os
import resource
import socket
from collections.abc import Sequence
from typing import Any

import uvicorn

from app.application import create_app
from app.jobs import logs, tracing
from app.jobs.gateway_settings import GatewaySettings
from app.jobs.private_files import PRIVATE_UMASK
from app.jobs.settings import Settings
from app.timed_protocol import timed_protocol

GRACEFUL_SHUTDOWN_S = 5
"""How long a gateway that stops lets running requests finish, seconds."""

FILES_A_CONNECTION = 2
SPARE_FILES = 256
"""Open files that a connection may need (its socket, a file in storage), and those of the process itself."""


def server_config(app: Any, limits: GatewaySettings) -> uvicorn.Config:
    """Return how uvicorn serves an application. Where it listens the caller says."""
    return uvicorn.Config(
        app,
        http=timed_protocol(limits),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Serve on the settings' address, or on a socket that the process inherits, until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m app.gateway", description=__doc__)
    parser.add_argument("--fd", type=int, help="listening socket to inherit; by default host and port of the settings")
    listener = parser.parse_args(argv).fd
    os.umask(PRIVATE_UMASK)
    settings = Settings()
    logs.configure(settings)
    tracing.start(settings, "vertebra-gateway")
    allow_open_files(settings.max_connections)
    config = server_config(create_app(settings), settings)
    config.host, config.port = settings.host, settings.port
    sockets = None if listener is None else [socket.socket(fileno=listener)]
    uvicorn.Server(config).run(sockets)
    tracing.stop()


def allow_open_files(connections: int) -> None:
    """Raise the limit of open files of this process to what its connections need, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_A_CONNECTION * connections + SPARE_FILES
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
