"""Clients that are silent, slow or many: each holds a connection for a bounded time, and other clients are served."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import httpx
import pytest

from app.jobs.settings import Settings
from tests.app.harness import PATIENCE_S, Broker, finish, running_gateway, stored_jobs, wait_for

Address = tuple[str, int]

SILENT = 100
MOST = 120


@pytest.fixture(scope="module")
def settings(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        data_dir=tmp_path_factory.mktemp("slow"),
        broker_url=broker.url,
        allow_anonymous=True,
        head_timeout_s=1.0,
        body_timeout_s=1.0,
        answer_timeout_s=1.0,
        min_body_bytes=5000,
        max_connections=MOST,
    )


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[Address]:
    with running_gateway(settings) as url:
        yield str(urlsplit(url).hostname), int(urlsplit(url).port or 0)


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE_S)


def read_to_end(connection: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection. Raise `TimeoutError` if it does not."""
    answer = b""
    try:
        while data := connection.recv(65536):
            answer += data
    except ConnectionResetError:
        return answer
    return answer


def alive(address: Address) -> bool:
    return httpx.get(f"http://{address[0]}:{address[1]}/health/live", timeout=PATIENCE_S).status_code == 200


def test_silent_connections_are_closed_and_others_are_served(address: Address) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(address)) for _ in range(SILENT)]
        assert alive(address)
        assert [read_to_end(connection).split(b"\r\n")[0] for connection in silent] == [
            b"HTTP/1.1 408 Request Timeout"
        ] * SILENT


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"G", b"POST /v1/jobs HTTP/1.1\r\nX: "])
def test_a_head_that_comes_byte_by_byte_does_not_hold_the_connection(address: Address, begin: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(begin)
        end = time.monotonic() + PATIENCE_S
        connection.settimeout(0.1)
        while time.monotonic() < end:
            try:
                if not connection.recv(65536):
                    return
            except TimeoutError:
                connection.sendall(b"a")
            except (ConnectionResetError, BrokenPipeError):
                return
    raise AssertionError("the connection stays open")


def test_a_second_request_that_never_ends_does_not_hold_the_connection(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /heal")
        assert b"408" in read_to_end(connection)


def test_an_endless_head_is_refused(address: Address) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 70_000)
        assert read_to_end(connection).startswith(b"HTTP/1.1 431")


def upload_head(size: int) -> bytes:
    return (
        b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: %d\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="ct"; filename="c"\r\n\r\n' % size
    )


def test_a_body_that_stops_ends_and_leaves_no_file(address: Address, settings: Settings) -> None:
    before = stored_jobs(settings)
    with connect(address) as connection:
        connection.sendall(upload_head(1_000_000) + b"x" * 20_000)
        assert read_to_end(connection) == b""
    wait_for(lambda: stored_jobs(settings) == before, "removal of half an upload")


def test_a_body_that_keeps_its_pace_may_take_longer_than_the_window(address: Address, settings: Settings) -> None:
    """Three windows long; each piece is a tenth of a window's minimum, and comes in a hundredth of it or soon after."""
    tail = b"\r\n--b--\r\n"
    with connect(address) as connection:
        pieces, piece = 120, b"x" * 2000
        head = upload_head(0)
        form = head.partition(b"\r\n\r\n")[2]
        connection.sendall(upload_head(len(form) + pieces * len(piece) + len(tail)))
        for _ in range(pieces):
            connection.sendall(piece)
            time.sleep(0.025)
        connection.sendall(tail)
        assert connection.recv(65536).startswith(b"HTTP/1.1 202")


def test_a_body_that_goes_on_after_the_answer_ends(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.timed_protocol.LINGER_S", 0.5)
    with closing(connect(address)) as connection:
        connection.sendall(b"POST /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 405")
        end = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < end:
                connection.sendall(b"x" * 10_000)
                time.sleep(0.05)
        except OSError:
            return
    raise AssertionError("the connection stays open")


def test_a_connection_too_many_is_told_to_come_back(address: Address) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connect(address)) for _ in range(MOST + 20)]
        answers = [read_to_end(connection) for connection in held]
    assert sum(answer.startswith(b"HTTP/1.1 503") for answer in answers) >= 20
    assert any(b"retry-after: 10" in answer for answer in answers)
    wait_for(lambda: alive(address), "a free connection")


def test_a_client_that_reads_no_answer_does_not_hold_the_connection(address: Address, settings: Settings) -> None:
    size = 30_000_000
    path = httpx.post(f"http://{address[0]}:{address[1]}/v1/jobs", files={"ct": b"c"}).headers["location"]
    finish(settings, path.rsplit("/", 1)[1], {"stress.vtu": (b"x" * size, "application/vnd.vtk.vtu")})
    with connect(address) as connection:
        connection.sendall(f"GET {path}/results/stress.vtu HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        time.sleep(3 * settings.answer_timeout_s)
        assert len(read_to_end(connection)) < size
