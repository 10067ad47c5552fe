"""The sockets on which gateway processes listen. A parent opens them and each process inherits one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.jobs.settings import SettingsError

BACKLOG = 2048
"""Connections that wait while the gateway starts; the default of uvicorn."""


@contextmanager
def listen(host: str, port: int, count: int = 1) -> Iterator[list[socket.socket]]:
    """Yield sockets that listen on one port; port 0 means a free one.

    So the port is this service's own before anything starts, nobody else can answer there while a gateway starts
    again, and an occupied port is known at once. With several sockets the kernel spreads the connections over them
    (``SO_REUSEPORT``); one socket for several processes would give most connections to whichever wakes first.

    Raises
    ------
    SettingsError
        The address is not one of this machine, or another program uses the port.
    """
    with ExitStack() as stack:
        try:
            family, _, _, _, address = socket.getaddrinfo(
                host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            first = _create(family, str(address[0]), port)  # alone: a port that somebody else reuses counts as occupied
            if count > 1:
                port = first.getsockname()[1]
                first.close()
                sockets = [_create(family, str(address[0]), port, reuse_port=True) for _ in range(count)]
            else:
                sockets = [first]
        except OSError as error:
            raise SettingsError(
                f"The gateway cannot listen on {host}, port {port} ({error.strerror}). Stop the program that uses the "
                "port, or set VERTEBRA_PORT to another one (0 means a free one) and VERTEBRA_HOST to an address of "
                "this machine."
            ) from error
        for listener in sockets:
            stack.enter_context(listener)
            # uvicorn takes an inherited socket for a local one and leaves Nagle's algorithm on; connections inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield sockets


def _create(family: int, host: str, port: int, reuse_port: bool = False) -> socket.socket:
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
