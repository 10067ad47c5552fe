"""Where webhooks may go, and that they go to the address that was checked."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest

from app.webhooks.http_post import PostError, post
from app.webhooks.targets import LONGEST_URL, TargetError, check_url, resolve
from tests.app.harness import PATIENCE_S
from tests.app.webhooks.receiver import running_receiver

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://127.1.2.3:8443/",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://172.16.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "http://93.184.216.34/",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https:///path",
        "https://user:password@hooks.example/",
        "https://hooks.example/#part",
        "https://hooks.example:99999/",
        "https://[::1/",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nX-Other: 1",
        "https://hööks.example/",
        "https://hooks.example/" + "a" * LONGEST_URL,
        "https://" + "a" * 254 + "/",
        "",
    ],
)
def test_refused_without_a_look_at_the_network(url: str) -> None:
    with pytest.raises(TargetError):
        check_url(url, ())


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example",
        "https://93.184.216.34:8443/a?b=c",
        "https://[2606:2800:220:1::1]/",
        "http://hooks.example/",
    ],
)
def test_accepted_so_far(url: str) -> None:
    assert check_url(url, ()).hostname


def test_names_of_this_machine_are_refused() -> None:
    with pytest.raises(TargetError, match="VERTEBRA_WEBHOOK_ALLOW"):
        resolve("https://localhost/", ())
    assert resolve("http://localhost:8080/", (*LOOPBACK, ip_network("::1/128"))).port == 8080
    with pytest.raises(TargetError, match="no address"):
        resolve("https://nobody.invalid/", ())


def answering(*addresses: str) -> Callable[..., list]:
    """A resolver that says the same whatever it is asked."""
    return lambda _host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


def test_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering("93.184.216.34", "10.0.0.7"))
    with pytest.raises(TargetError, match=r"10\.0\.0\.7"):
        resolve("https://hooks.example/", ())
    monkeypatch.setattr(socket, "getaddrinfo", answering("93.184.216.34"))
    with pytest.raises(TargetError, match="expected https"):
        resolve("http://hooks.example/", ())
    assert resolve("https://hooks.example/", ()).address == "93.184.216.34"


def test_a_name_that_changes_its_address_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_receiver() as receiver:
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", answering("127.0.0.1"))
        target = resolve(f"http://rebind.example:{receiver.port}/hook", LOOPBACK)

        def elsewhere(host: str, *rest: object, **more: object) -> list:
            assert host == "127.0.0.1", "the name was resolved again"
            return real(host, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
        assert post(target, {}, b"{}", PATIENCE_S) == 204
        assert receiver.messages[0].headers["host"] == f"rebind.example:{receiver.port}"


def test_a_redirect_is_not_followed() -> None:
    with running_receiver() as receiver, running_receiver() as secret:
        receiver.statuses, receiver.answer_headers = [302], {"Location": secret.url}
        assert post(resolve(receiver.url, LOOPBACK), {}, b"{}", PATIENCE_S) == 302
        assert (len(receiver.messages), secret.messages) == (1, [])


@contextmanager
def saying(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says to its client whatever it likes; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                connection = listener.accept()[0]
                with connection:
                    connection.recv(1 << 16)
                    speak(connection)
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def drip(connection: socket.socket, data: bytes) -> None:
    stop = threading.Event()
    while not stop.wait(0.02):
        connection.sendall(data)


@pytest.mark.parametrize(
    "data", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["byte by byte", "100 Continue for ever"]
)
def test_a_server_that_never_ends_its_answer_gets_no_more_time(data: bytes) -> None:
    with saying(lambda connection: drip(connection, data)) as url, pytest.raises(PostError):
        post(resolve(url, LOOPBACK), {}, b"{}", 0.5)


def test_a_silent_server_gets_no_more_time() -> None:
    def listen(connection: socket.socket) -> None:
        while connection.recv(1 << 16):
            pass

    with saying(listen) as url, pytest.raises(PostError, match=r"within 0.3 s"):
        post(resolve(url, LOOPBACK), {}, b"{}", 0.3)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0\r\n",
        b"",
        b"HTTP/1.1 204 No Content\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 204 " + b"x" * 90_000,
    ],
    ids=["another protocol", "nothing", "too many headers", "a line without end"],
)
def test_answers_that_are_no_http_are_refused(answer: bytes) -> None:
    with saying(lambda connection: connection.sendall(answer)) as url, pytest.raises(PostError):
        post(resolve(url, LOOPBACK), {}, b"{}", PATIENCE_S)


def test_a_long_body_is_not_read() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")

    with saying(speak) as url:
        assert post(resolve(url, LOOPBACK), {}, b"{}", PATIENCE_S) == 200


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PostError, match="no connection"):
        post(resolve(f"http://127.0.0.1:{port}/", LOOPBACK), {}, b"{}", PATIENCE_S)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                context.wrap_socket(listener.accept()[0], server_side=True).close()

        threading.Thread(target=serve, daemon=True).start()
        target = resolve(f"https://127.0.0.1:{listener.getsockname()[1]}/", LOOPBACK)
        with pytest.raises(PostError, match="certificate is not valid"):
            post(target, {}, b"{}", PATIENCE_S)
