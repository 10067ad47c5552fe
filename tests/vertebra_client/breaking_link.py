"""A TCP link to a server that breaks connections after so many bytes, and that can be led to another server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

PIECE = 1 << 14


class BreakingLink:
    """A port of this machine.

    ``breaks`` holds, for the connections to come, after how many bytes each breaks: those that the client sends and
    those that it receives; None never breaks. ``received`` counts what clients received.
    """

    def __init__(self, url: str) -> None:
        self.target = url
        self.breaks: list[tuple[int | None, int | None]] = []
        self.received = 0
        self._held: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.close()
        for connection in list(self._held):
            _end(connection)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                limits = self.breaks.pop(0) if self.breaks else (None, None)
                thread = threading.Thread(target=self._serve, args=(near, limits), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, near: socket.socket, limits: tuple[int | None, int | None]) -> None:
        address = urlsplit(self.target)
        with near, suppress(OSError):
            self._held.append(near)
            with socket.create_connection((address.hostname, address.port)) as far:
                self._held.append(far)
                up = threading.Thread(target=self._pass_on, args=(near, far, near, limits[0]), daemon=True)
                up.start()
                self._pass_on(far, near, near, limits[1])
                up.join()

    def _pass_on(self, source: socket.socket, target: socket.socket, near: socket.socket, limit: int | None) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(PIECE):
                piece = data if limit is None else data[: limit - passed]
                target.sendall(piece)
                passed += len(piece)
                if target is near:
                    self.received += len(piece)
                if limit is not None and passed >= limit:
                    break
            else:
                target.shutdown(socket.SHUT_WR)
                return
        for end in (source, target):
            _end(end)


def _end(connection: socket.socket) -> None:
    """End a connection in both directions; its thread closes it. What is under way still arrives."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def breaking_link(url: str) -> Iterator[BreakingLink]:
    link = BreakingLink(url)
    try:
        yield link
    finally:
        link.close()
