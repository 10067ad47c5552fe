"""A server on this machine whose answers a test chooses, also ones that drip."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class OddHandler(BaseHTTPRequestHandler):
    """Answers one request; nothing is printed."""

    def send(self, status: int, headers: dict[str, str], body: bytes, pause_s: float) -> None:
        """Send an answer: the body in one piece, or byte for byte with a pause before each."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):  # nobody waits any more
            for n in range(len(body) if pause_s else 0):
                time.sleep(pause_s)
                self.wfile.write(body[n : n + 1])
            self.wfile.write(b"" if pause_s else body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_server(handler: type[OddHandler]) -> Iterator[str]:
    """Yield the address of a server with this handler."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}"
        finally:
            http.shutdown()
