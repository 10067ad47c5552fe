"""One POST to a checked address, within a time budget. It follows no redirect and reads no body."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress

from app.webhooks.targets import Target


class PostError(Exception):
    """The server did not answer with a status; the message says what happened."""


class _Connection(http.client.HTTPConnection):
    """A connection to the checked address of a target; the host's name serves for TLS and the ``Host`` header."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        assert target.url.hostname is not None
        super().__init__(target.url.hostname, target.port, timeout=timeout_s)
        self._target = target

    def connect(self) -> None:
        """Connect, and for https verify the certificate against the host's name."""
        self.sock = socket.create_connection((self._target.address, self._target.port), self.timeout)
        if self._target.url.scheme == "https":
            context = ssl.create_default_context()
            secure = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = secure
            secure.do_handshake()


def post(target: Target, headers: Mapping[str, str], body: bytes, budget_s: float) -> int:
    """Send a body and return the status of the answer.

    Parameters
    ----------
    target
        Where to.
    headers
        Headers beside ``Host`` and ``Content-Length``.
    body
        The bytes.
    budget_s
        Longest time for all of it, seconds. A server that answers byte by byte gets no more.

    Raises
    ------
    PostError
        There was no connection, no valid certificate, no answer in time, or an answer that is not HTTP.
    """
    connection = _Connection(target, budget_s)
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        with suppress(OSError, TypeError):
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # of the connection itself, without a TLS goodbye

    timer = threading.Timer(budget_s, end)
    timer.daemon = True
    timer.start()
    try:
        path = target.url.path or "/"
        connection.request("POST", f"{path}?{target.url.query}" if target.url.query else path, body, dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        if is_over.is_set() or isinstance(error, TimeoutError):
            raise PostError(f"no answer within {budget_s:g} s") from error
        raise PostError(_describe(error)) from error
    finally:
        timer.cancel()
        connection.close()


def _describe(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    if isinstance(error, OSError):
        return f"no connection ({error.strerror or type(error).__name__})"
    return "the answer is not HTTP"
