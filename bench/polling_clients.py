"""Clients that poll a service over HTTP/1.1, each on one connection, as fast as it answers.

One thread serves all of them with a selector and parses no more than it must, so that the clients' own cost stays far
below the server's.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from dataclasses import dataclass, field

READ_BYTES = 1 << 16


@dataclass
class Polls:
    """What the clients saw: the latency of each answer in seconds, and how many answers were not 200."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    failures: int = 0

    def rate(self) -> float:
        """Return the answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """Return a percentile of the latency, seconds."""
        ranked = sorted(self.latencies)
        return ranked[min(int(len(ranked) * percent / 100), len(ranked) - 1)]


class _Client:
    """One connection, which sends the next request when the answer to the last one is complete."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._request = request
        self._answer = bytearray()
        self._begin = 0.0

    def send(self) -> None:
        self._begin = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self, polls: Polls, interval_s: float) -> float | None:
        """Read what has arrived. After a complete answer record it, and return when to send again."""
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._answer += data
        size = _complete_size(self._answer)
        if size is None or len(self._answer) < size:
            return None
        polls.latencies.append(time.perf_counter() - self._begin)
        polls.failures += not self._answer.startswith(b"HTTP/1.1 200")
        self._answer.clear()
        return self._begin + interval_s


def _complete_size(answer: bytearray) -> int | None:
    """Return the size of an answer with its head, bytes, once the head is complete."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(answer[:end]).lower()
    return end + 4 + int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])


def poll(
    address: tuple[str, int], paths: list[str], headers: dict[str, str], seconds: float, interval_s: float = 0.0
) -> Polls:
    """Let clients get their paths again and again.

    Parameters
    ----------
    address
        Host and port of the service.
    paths
        One path for each client.
    headers
        Headers of each request beside ``Host``.
    seconds
        How long they poll.
    interval_s
        Time between two requests of a client, seconds; it sends at once where the answer took longer.
    """
    polls = Polls(seconds)
    with selectors.DefaultSelector() as selector:
        waiting: list[tuple[float, int, _Client]] = []  # when to send, and the client; they begin one after the other
        for path in paths:
            client = _Client(address, _request(address, path, headers))
            selector.register(client.socket, selectors.EVENT_READ, client)
            delay = interval_s * len(waiting) / len(paths)
            heapq.heappush(waiting, (time.perf_counter() + delay, client.socket.fileno(), client))
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            while waiting and waiting[0][0] <= now:
                heapq.heappop(waiting)[2].send()
            wake = min(end, waiting[0][0]) if waiting else end
            for key, _ in selector.select(timeout=max(wake - time.perf_counter(), 0)):
                again_at = key.data.receive(polls, interval_s)
                if again_at is not None:
                    heapq.heappush(waiting, (again_at, key.fd, key.data))
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    return polls


def _request(address: tuple[str, int], path: str, headers: dict[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
