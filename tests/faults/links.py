"""TCP links between a machine and a server that it needs. A test can cut them, as a network does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 16
HOST = "127.0.0.1"


class Link:
    """A port of this machine from where bytes go to a server and back.

    Parameters
    ----------
    target
        Port of the server on this machine, or its Unix socket.
    """

    def __init__(self, target: int | Path) -> None:
        self.port = 0
        self._target = target
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._refuses = False
        self._held: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop to listen, and end every connection."""
        assert self._server is not None
        self._server.close()
        self.cut(refuses=True)

    def cut(self, *, refuses: bool) -> None:
        """Let nothing through: swallow it, as a network does, or end every connection, as a firewall does."""
        self._is_open.clear()
        self._refuses = refuses
        if refuses:
            for writer in self._held:
                writer.transport.abort()

    def mend(self) -> None:
        """Let everything through again, also what was swallowed meanwhile: TCP sends it again."""
        self._refuses = False
        self._is_open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        self._held.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            await self._is_open.wait()
            if isinstance(self._target, Path):
                far_reader, far = await asyncio.open_unix_connection(self._target)
            else:
                far_reader, far = await asyncio.open_connection(HOST, self._target)
            self._held.add(far)
            there = asyncio.ensure_future(self._pass_on(reader, far))
            back = asyncio.ensure_future(self._pass_on(far_reader, writer))
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
            there.cancel()
            await asyncio.wait([back], timeout=5)
            back.cancel()
        except (OSError, asyncio.CancelledError):
            pass  # the server refuses, or the network ends
        finally:
            for end in filter(None, (writer, far)):
                self._held.discard(end)
                end.transport.abort() if self._refuses else end.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._is_open.wait()
                writer.write(data)
                await writer.drain()


class Network:
    """Runs links in a thread of its own. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._links: list[Link] = []

    def link(self, target: int | Path) -> Link:
        """Return a new link to a server."""
        link = Link(target)
        self.run(link.start())
        self._links.append(link)
        return link

    def cut(self, *links: Link, refuses: bool) -> None:
        """Cut links."""
        for link in links:
            self._loop.call_soon_threadsafe(lambda link=link: link.cut(refuses=refuses))

    def mend(self, *links: Link) -> None:
        """Mend links."""
        for link in links:
            self._loop.call_soon_threadsafe(link.mend)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Close every link and end the thread."""
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the thread to its end."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _end(self) -> None:
        for link in self._links:
            link.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # so that the transports close their sockets


@contextmanager
def running_network() -> Iterator[Network]:
    """Run the thread; at the end every link is gone."""
    network = Network()
    network.start()
    try:
        yield network
    finally:
        network.stop()
