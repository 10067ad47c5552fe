"""A link passes bytes on, keeps them while it is cut, or refuses; and leaves nothing open."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.links import HOST, running_network


def test_a_link_passes_on_swallows_and_refuses() -> None:
    with (
        socket.create_server((HOST, 0)) as server,
        running_network() as network,
        ThreadPoolExecutor(1) as threads,
    ):
        link = network.link(server.getsockname()[1])
        with socket.create_connection((HOST, link.port), timeout=60) as near, server.accept()[0] as far:
            near.sendall(b"there")
            assert far.recv(5) == b"there"
            network.cut(link, refuses=False)
            network.run(_nothing())
            far.sendall(b"back")
            late = threads.submit(near.recv, 4)
            with pytest.raises(TimeoutError):
                late.result(0.3)
            network.mend(link)
            assert late.result(60) == b"back"
            network.cut(link, refuses=True)
            assert near.recv(1) == b""  # the end of the connection
        with socket.create_connection((HOST, link.port), timeout=60) as near:
            assert near.recv(1) == b""
        network.mend(link)
        with socket.create_connection((HOST, link.port), timeout=60) as near, server.accept()[0] as far:
            far.sendall(b"again")
            assert near.recv(5) == b"again"


async def _nothing() -> None:
    """What was asked for before has been done when this has."""
